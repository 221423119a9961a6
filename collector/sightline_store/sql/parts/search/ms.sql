DurationMs > {number:Float64}
