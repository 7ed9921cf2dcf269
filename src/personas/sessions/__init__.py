"""Signed in as a persona, and the forms in which that is handed out."""
