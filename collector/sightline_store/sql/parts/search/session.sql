SessionId = {value:String}
