def brew(place):
    if place == "host":
        kind = "green"
    elif place == "container":
        kind = "black"  # runs
    else:
        kind = "none"  # never
    return kind
