"""What tokens cost: rates of the genai-prices package and of a user's own file, as rows of `model_prices`."""
