ifNull(Tokens > {number:Float64}, false)
