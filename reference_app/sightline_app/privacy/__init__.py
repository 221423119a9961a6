"""Personal data: what a text holds, what a provider may see, and how it is masked and put back."""
