"""A comparison of words: scripts, languages, words, sentences, denials, and weights fitted to human labels."""
