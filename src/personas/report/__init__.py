"""One report document, and its views: text, JSON, markdown, GitHub."""
