"""Azure Storage: state and ledger in tables, messages in queues, evidence in blobs."""
