(positionCaseInsensitiveUTF8(SessionId, {value:String}) > 0 OR positionCaseInsensitiveUTF8(UserId, {value:String}) > 0)
