"""``sightline-model``: an OpenAI-compatible server of one local model.

- `weights`: where the model's file is, and whether it is the expected one;
- `llama`: llama.cpp in this process, on a Unix socket that only this user can open;
- `gateway`: the HTTP interface in front of it: who may ask, how many may wait;
- `extractive_api`, `extractive`: the same interface without a language model, for tests and load;
- `openai_interface`: what both share: checks of a request, the form of errors.
"""
