Route = {value:String}
