"""The pages, one module each; `render` shows it."""
