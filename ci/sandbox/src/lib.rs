//! A Docker engine of its own, for one command.
