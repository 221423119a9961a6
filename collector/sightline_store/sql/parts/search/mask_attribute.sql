(SpanAttributes[{key:String}] = {value:String} OR ResourceAttributes[{key:String}] = {value:String})
