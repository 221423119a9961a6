UserId = {value:String}
