"""The reference RAG backend: a real application traced with ``sightline``, as a customer would.

A question is guarded, embedded, searched for in Weaviate (hybrid, by tenant and date), reranked, put into a prompt and
answered by a model through the OpenAI client, streamed as server-sent events. Of Sightline, only the library is used.
"""
