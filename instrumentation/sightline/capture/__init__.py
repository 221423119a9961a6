"""Content on spans: what the capture setting allows, as bounded text, with references in place of media."""
