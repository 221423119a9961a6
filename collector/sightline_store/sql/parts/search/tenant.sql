Tenant = {value:String}
