"""What readers copy; the tests run all of it."""
