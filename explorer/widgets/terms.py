"""What the words mean: one sentence each that an artist can read, shown where the word stands.

`TERMS` are the explanations (tooltips), `LABELS` the wording of a setting or quantity on the screen.
"""

TERMS: dict[str, str] = {
    # the question
    "distortion": "Distortion D: how far the rebuilt picture is from the original, the squared difference summed over "
    "all its pixel values. Smaller is more faithful.",
    "rate": "Rate R: how much the model says about each picture, in nats (1 nat is 1.44 bits). More rate keeps more "
    "detail and leaves the space between pictures less smooth.",
    "weighted_rate": "Weighted rate βR: the rate times the KL weight, the part of the loss that asks for smoothness.",
    "loss": "Loss L = D + βR: the one number that training makes small.",
    "kl_weight": "KL weight β: how strongly to smooth the space of pictures. High: soft, blurred pictures that morph "
    "evenly. Low: sharp, faithful pictures with rougher places in between.",
    "sigma": "Noise σ: how far off a pixel may be before the model minds, from 0 to 1 (black to white). It is another "
    "way to say the weight: decoder noise σ = √(β/2).",
    "calibrated": "Calibrated weight: the weight that fits this model, at which the noise σ it allows is as large as "
    "the errors it really makes.",
    "psnr": "PSNR: likeness to the original in decibels. Around 20 is a rough impression, above 30 is hard to tell "
    "apart.",
    "bits": "Bits per value: what each colour value of a picture costs to tell by this model, its errors included. It "
    "puts models of every weight on one scale; smaller is better.",
    "path": "Path: how long the way of the picture is while the sliders go straight from one painting to the next, "
    "over the straight line between the two. 1 is perfectly even; the rougher the places in between, the longer.",
    "gradient_balance": "Gradient balance: how hard each of the two wishes, likeness and smoothness, pulls at the "
    "model.",
    "gaussian_limit": "Gaussian limit: the best that a purely linear model could do on these pictures, worked out "
    "exactly, with as many sliders as it can use. A trained network with enough of them should lie below it.",
    "rate_distortion": "Each point is a trained model: to the right it says more about a picture, further down it is "
    "more faithful. The KL weight chooses the place on the curve.",
    "weight_curve": "What this one model does at every KL weight, on pictures it never saw: to the right it says more "
    "about a picture (rate R), further down it is more faithful (distortion D). The dot is where you are, the diamond "
    "the calibrated weight β*.",
    # the latent space
    "latent": "Latent dimension: one of the hidden controls from which the model paints. Each slider moves one.",
    "latent_space": "Latent space: all pictures the model can paint, laid out so that similar ones are near each "
    "other.",
    "active": "Active dimension: a control that the model really uses, as its value differs from picture to picture.",
    "collapsed": "Collapsed dimension: a control that the model has let go of; moving it changes nothing you can see.",
    "more": "Controls that tell less about a picture than those above.",
    "dead": "At this KL weight the model lets go of it: moving it changes nothing.",
    "details": "Details: how much is painted of everything that has no slider here. At 0 only the most telling sliders "
    "make the picture.",
    "rate_per_dimension": "How much this control says about a picture, in nats. The most telling ones stand first.",
    "principal": "Principal directions: combinations of sliders along which the training pictures differ most.",
    "temperature": "Temperature: how far the dice may throw. 1 is as varied as the training pictures, lower is safer,"
    " higher is wilder.",
    "seed": "Seed: the number behind a throw of the dice. The same number gives the same picture again.",
    "reconstruction": "Reconstruction: your picture, seen by the model and painted again from memory.",
    "encode": "Find the slider positions that come nearest to a picture of yours.",
    "lock": "A locked slider stays where it is when you throw the dice or reset.",
    "compare_ab": "A and B are two places in the space of pictures: hold one, move the other, and look at both.",
    "bookmark": "Bookmark: a place worth coming back to, kept with the model.",
    "pad": "Everything that this model can paint: one latent dimension from left to right, the other from bottom "
    "to top.",
    "find_slider": "The number of a latent dimension: its slider comes to the top of the list.",
    "filmstrip": "What this slider does on its own, from one end to the other.",
    # making
    "linear": "Straight line between two places. Simple; the middle can look a little paler.",
    "spherical": "An arc between two places, which keeps to where pictures are likely. Usually the richer morph.",
    "loop": "A walk through your bookmarks that ends where it began.",
    "smooth": "Enlarge softly instead of showing the model's own pixels.",
    # the map
    "map_layout": "Similar ones together: each picture beside those most like it; how far apart groups lie means "
    "little (t-SNE). Along two axes: two directions or sliders, to scale.",
    "variance_share": "How much of the difference between all pictures this direction of the map shows.",
    "posteriors": "Posterior: what the model believes of a picture, not a point but a small cloud. A high KL weight "
    "makes the clouds wide, so that they meet and every place is a picture; a low one shrinks them apart.",
    "neighbours": "The training pictures whose slider positions are nearest to this one.",
    "near_likeness": "Likeness: what two pictures have in common counts, not how strongly (the cosine of the angle "
    "between them, seen from the middle of all pictures).",
    "near_distance": "Distance: how far apart the sliders stand. Pale, quiet pictures are near to everything.",
    "near_scaled": "Scaled distance: the same, but every active slider has an equal say, however little it moves "
    "between pictures.",
    # training
    "epoch": "Epoch: one pass over all pictures.",
    "step": "Step: the model looks at one small batch of pictures and improves a little.",
    "held_out": "Held-out pictures: a few that training never sees, to measure honestly.",
    "learned": "A model is judged fairly on pictures that it never learned from, and two models side by side on "
    "pictures of the kind that both learned from.",
    "autoencoder": "Plain autoencoder: the same network without smoothing, as a comparison. It copies well but has no "
    "even space to walk in.",
    "network": "Kinds of network: spectral is right from the first step, then refined, and stays sharp at low "
    "weights; conv and residual learn from nothing; linear is the exact formula alone.",
    "weight_range": "One model for every weight: it is trained for all of them at once, and afterwards the weight is "
    "turned in Explore, without training again.",
    "resume": "Go on with a model that was trained before.",
}

LABELS: dict[str, str] = {
    # settings, by their names in kvae.settings
    "data": "Pictures to learn from",
    "size": "Picture size",
    "crop": "How to make pictures square",
    "from_starter": "Start from the model in the box",
    "augment": "Also show flipped and recoloured variants",
    "follow_links": "Follow links out of the folder",
    "validation": "Share of pictures kept for measuring",
    "kl_weight": "How strongly to smooth (KL weight)",
    "latent_dim": "Number of sliders (latent dimensions)",
    "network": "Kind of network",
    "widths": "Channels of each level",
    "depth": "Residual blocks per level",
    "autoencoder": "Plain autoencoder, for comparison",
    "epochs": "Passes over the pictures (epochs)",
    "minutes": "Train for this many minutes",
    "batch_size": "Pictures per step (batch size)",
    "learning_rate": "Size of each step (learning rate)",
    "seed": "Seed, to repeat a run exactly",
    "device": "Compute on",
    "devices": "GPUs that share each step (devices)",
    "precision": "Arithmetic (precision)",
    # quantities
    "distortion": "Distortion D",
    "rate": "Rate R",
    "weighted_rate": "Weighted rate βR",
    "loss": "Loss L",
    "sigma": "noise σ",
    "calibrated": "calibrated",
    "psnr": "Likeness (PSNR)",
    "active": "Active dimensions",
    "gaussian_limit": "Gaussian limit",
    "gradient_balance": "Gradient balance",
    "temperature": "How wild (temperature)",
}


def explain(name: str) -> str:
    """The sentence for `name`, or "" for a word that needs none."""
    return TERMS.get(name, "")


def label(name: str) -> str:
    """The wording of `name` on the screen; a name without one is shown in plain words."""
    return LABELS.get(name, name.replace("_", " ").capitalize())
