"""How documents reach the index: what clients upload, what Kafka brings, and embedding everything again.

================  ====================================================================================
document          what is known of a document, and the states that it goes through
folder            originals, records and passages on the disk: all that a restart needs
indexing          from originals to passages in the vector store, in the trace of each
work              what a worker does for a document: claimed, tried, tried again or given up
queue             takes documents, and sees that something is done for each
process_queue     a thread of the app does it: the embedded default
broker_queue      workers behind a broker do it; messages that were lost are sent again
celery_app        the Celery application between them
worker            `sightline-app worker`
kafka_message     a message of Kafka as a document
kafka_source      a member of a consumer group, at least once
consume           `sightline-app consume`
dead_letters      what was given up; `dead_letters_command` looks, replays and drops
reembedding/      a new version of the whole index, as a workflow of Temporal; `sightline-app reembed`
================  ====================================================================================
"""
