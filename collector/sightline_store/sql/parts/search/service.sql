ServiceName = {value:String}
