"""Files -> pairs -> samples -> batches: everything about images before the network sees them."""
