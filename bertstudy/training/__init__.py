"""How weights are learnt: fine-tuning, further pretraining, several tasks together; the methods."""
