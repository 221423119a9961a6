"""Two traces side by side: spans by their path of names, numbers, passages, and the words of both answers.

`spans`, `figures`, `passages` and `answers` compute, and draw nothing; `panel` shows them, and `choice` lets a reader
choose the second trace.
"""
