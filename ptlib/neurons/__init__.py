"""Which neurons a prompt activates, and how far two prompts agree in that."""
