"""A web server whose image is built for the test."""
