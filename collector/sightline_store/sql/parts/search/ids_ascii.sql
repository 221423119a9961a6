(position(lower(SessionId), lower({value:String})) > 0 OR position(lower(UserId), lower({value:String})) > 0)
