Failed
