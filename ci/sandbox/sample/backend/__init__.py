"""The HTTP service of the sample application."""
