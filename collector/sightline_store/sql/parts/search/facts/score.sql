arrayExists((name, value) -> name = {key:String} AND value > {number:Float64}, Scores.Name, Scores.Value)
