"""What users write, looked at by the type checker alone."""
