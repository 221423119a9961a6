"""Vector stores behind one interface: Weaviate, Milvus, Pinecone and ClickHouse, one file each.

`sightline_app.vector_stores.protocol` is the interface, `opening` chooses by the settings. Only the store in use is
imported. docs/vector-stores.md shows what each can do.
"""
