"""Documents that clients upload: a second source of a tenant, beside the corpus of `sightline-app ingest`.

========== =================================================================================
document   what is known of an upload, and the states that it goes through
folder     originals, records and passages on the disk: all that a restart needs
indexing   from an original to passages in the vector store, as one trace
queue      the one worker of a process, which goes on after a restart and after an outage
========== =================================================================================
"""
