"""The stages of an answer, one file each, in the order of `sightline_app.pipeline`."""
