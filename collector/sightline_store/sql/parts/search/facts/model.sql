has(Models, {value:String})
