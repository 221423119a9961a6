"""Whether the judge can be believed: is it still the one of yesterday, do people agree, and what is the true rate?"""
