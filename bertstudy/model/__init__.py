"""From ids to logits: batches, attention, encoder, poolings, classifier; saving and loading."""
