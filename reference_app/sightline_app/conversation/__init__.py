"""Conversations: the earlier turns of a session, kept between requests and between processes."""
