import extra

extra.IS_CUSTOMIZED = True
