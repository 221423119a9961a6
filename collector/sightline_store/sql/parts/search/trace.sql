startsWith(TraceId, lower({value:String}))
