"""The Compare page: the same pictures under several models."""
