//! Rebuilds exactly what the remote changed.
