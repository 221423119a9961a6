(CostUsd > {number:Float64} AND NOT isNaN(CostUsd))
