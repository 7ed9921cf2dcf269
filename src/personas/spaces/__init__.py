"""Shared spaces of personas: organizations of the auth service."""
