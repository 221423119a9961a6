TtftMs > {number:Float64}
