"""What the library says, for translators; written by ``Testing/library_texts.py``."""

from __future__ import annotations


def _(text: str) -> str:
    """Marks a text for the tools that collect them; it is translated when it is shown."""
    return text


# fmt: off
TEXTS: tuple[str, ...] = (
    _("# MedDL. SPACE={space} mtllib {name} usemtl surface"),
    _("# meddl desmoke train CONFIG.yaml --output DIR"),
    _("# meddl endodepth train CONFIG.yaml --output DIR"),
    _("# meddl monodepth train CONFIG.yaml --output DIR"),
    _("(no uid)"),
    _(", or there is not enough memory"),
    _(
        "--air-kerma is at the detector, whose distance a camera does not tell; give a "
        "C-arm, --detector-distance MM or --photons"
    ),
    _(
        "--anode-angle is {anode_angle}, but the spectrum {spectrum} has its own; give "
        "--kvp to compute one"
    ),
    _("--backend pycuda computes on a CUDA device, not on {device}"),
    _("--backend {name} computes on the CPU, not on {device}"),
    _("--board is {text}; inner corners across x down, at least 3x3, as in 9x6, were expected"),
    _("--brightness is {low},{high}; the least comes first"),
    _("--camera and {clash} exclude each other: the camera has the pose"),
    _("--colour-range is {colour_range} mm; a positive number is needed"),
    _("--crop is {text}, the frames have rows 0:{height} and columns 0:{width}"),
    _("--crop is {text}; none, auto or TOP:BOTTOM,LEFT:RIGHT was expected"),
    _("--crop {crop} has nothing of the field of view"),
    _(
        "--detector is {detector}, expected energy, counting or bins: with up to "
        "{most_bins} increasing lower edges in keV, as in bins:20,50,80"
    ),
    _(
        "--detector {detector}: no photon of the spectrum, which ends at {energies} keV, "
        "falls into {name}; use --quantity counts or other edges"
    ),
    _(
        "--detector-size {side} is {pixels} pixels of {pixel_spacing} mm, {value} mm; the "
        "detector of the preset {name} has {most} mm"
    ),
    _(
        "--filtration has {part}, MATERIAL:MM from 0 to {thickest} mm was expected, as in "
        "Al:4.0,Cu:0.1"
    ),
    _("--heel needs a known tube: give --kvp or a shipped spectrum"),
    _("--hu-below is {text}, V:REPLACEMENT was expected, as in 1:-1000"),
    _("--inlier_percentage is 0, above 0 to 1 was expected"),
    _("--input_size is {input_size}, multiples of {multiple} were expected"),
    _(
        "--instrument is {text}, NAME:R,A,S:R,A,S (tip and end, mm) was expected, NAME one "
        "of: {list}"
    ),
    _("--instrument {parts} point"),
    _("--instrument {text}: {error}"),
    _("--keep_statistics (of the preset finetune) needs weights; name them with --weights"),
    _("--kvp and --spectrum FILE.csv exclude each other"),
    _("--list names images, labels and values; give it alone"),
    _("--list names the images, their seeds and boxes; give it alone"),
    _("--mas and --air-kerma exclude each other"),
    _("--mas needs the tube's output: give --kvp, a shipped spectrum or --photons"),
    _("--mask: a sequence has a mask of its own in {folder}"),
    _("--materials is {materials}, expected one of: {list}, or a label map ({list2})"),
    _("--materials network"),
    _("--mesh {text}: {error}"),
    _("--mesh {text}: {number} is no density in g/cm3"),
    _("--min_lr is {min_lr}, above --max_lr {learning_rate}; lower it"),
    _(
        "--mm-per-unit {mm_per_unit} needs maps of one unit; without structure from motion "
        "each frame has a scale of its own"
    ),
    _(
        "--mtf50 is in lp/mm, and a camera has no pixel spacing; give a C-arm or "
        "--detector-distance MM"
    ),
    _("--network_downsampling is {network_downsampling}, a multiple of {multiple} was expected"),
    _(
        "--noise on has no meaning for --quantity {quantity}; quantum noise is in "
        "intensity, energy, neglog and counts"
    ),
    _("--output DIR is missing (see: meddl endodepth train --help)"),
    _("--output {output} is an input; choose another name"),
    _("--output {output} is the CT itself; choose another name"),
    _("--preset is {name}, expected one of: {list}"),
    _("--procedure {expression} is no regular expression: {error}"),
    _("--procedure {expression} matches nothing in {path}"),
    _("--quantity counts needs --detector counting or bins"),
    _("--quantity energy is what --detector energy reads; choose counts"),
    _(
        "--quantity integral is of the CT alone, other volumes and solids have no voxel "
        "values of its kind; use path, intensity, energy or neglog"
    ),
    _("--range is {range},{range2}; the second must be the larger"),
    _(
        "--save-labels writes one picture per label, these parameters give one per material"
        " or energy bin; choose another --quantity or --detector"
    ),
    _("--save-masks, --save-labels and --label-values need --labels"),
    _("--scale sfm, --mm-per-unit and --mask are not for --model monodepth"),
    _(
        "--scatter {scatter} has no meaning for --quantity {quantity}; scatter is in "
        "intensity, energy, neglog and counts"
    ),
    _(
        "--scatter {scatter} with a camera needs --detector-distance MM, since a camera "
        "matrix does not say how far away the detector is"
    ),
    _(
        "--scene is {scene}, --labels {labels} and --values {values}; a label map and its "
        "values go with --scene labels, and only so"
    ),
    _("--side is {side}, a multiple of {multiple} was expected"),
    _("--size {size} is of the built-in phantom; leave it out with a CT"),
    _("--spectrum is {spectrum}, expected one of: {list}, or a .csv file"),
    _("--undistorted goes with --import; it undistorts what a model was made of"),
    _("--values is {text}, whole numbers as in 20,21 were expected"),
    _("--workers are processes here, --scheduler has workers of its own"),
    _("--workers is {workers}, at least 1 was expected"),
    _("--{name} is {pair}, the second number must not be the smaller"),
    _("--{name} names bag {word}; there is: {there}"),
    _("--{option} {path}: it is written as {list}"),
    _("--{starts} and --{starts2} exclude each other: both give the pose"),
    _("; choose a folder inside it: {list}"),
    _("AbsRel RMSE delta1 delta2 delta3"),
    _("COLMAP ended {how}: {last_line}; log: {log}"),
    _("COLMAP file"),
    _("DICOM file"),
    _("DICOM file or folder"),
    _("DICOM image"),
    _("FastGeodis has no cost {name}; use the backend numba or geodistk"),
    _("GeodisTK has no cost fastgeodis; use the backend numba or fastgeodis"),
    _("H.264 in MP4 by PyAV, with the sound of {name} as AAC"),
    _("H.264 in MP4 by PyAV, without sound"),
    _("HSV colours"),
    _("JSON file"),
    _(
        "K has focal lengths {k} and {k2} pixels, positive ones were expected (x to the "
        "right, y down, looking along +z); turn the pose instead"
    ),
    _(
        "K has focal lengths {k}, {k2} and skew {k3} pixels: a C-arm has square pixels; "
        "keep the camera"
    ),
    _("K is {matrix}, an upper triangular matrix was expected"),
    _("MATLAB file"),
    _("Motion JPEG in AVI by OpenCV, without sound"),
    _("NIfTI file"),
    _("NYU Depth v2 file"),
    _("P has a singular left 3x3 part: its source lies at infinity"),
    _("PLY file"),
    _("PyTorch takes the place of OpenVINO: {one_line}"),
    _("ROI file"),
    _("TIFF picture"),
    _("VTK file of polygonal data"),
    _("YAML file"),
    _("a DICOM file has its own scale; leave range out"),
    _("a JPEG 2000 frame has no size"),
    _("a JPEG 2000 frame is in {tiles} tiles, at most {max_tiles} expected"),
    _("a JPEG frame has no size"),
    _(
        "a board of {board} inner corners was found in {count} of {count2} pictures, at "
        "least {fewest} are needed; check --board (inner corners, one less than squares) "
        "and that all of the board is in sharp view"
    ),
    _("a camera of {width}x{height} pixels with parameters {parameters}"),
    _("a command"),
    _("a crop has rows and columns, got {rows} and {columns}"),
    _("a data set"),
    _("a distance field has (K, J, I) nodes, got shape {shape}"),
    _("a finite number"),
    _("a frame is (H, W, 3) uint8, got {shape} {dtype}"),
    _(
        "a grey picture shows one quantity, the radiograph has {components} components; "
        "save it as .tiff or .nrrd"
    ),
    _("a list of cases, or a text file, was expected"),
    _("a list of volume files or DICOM folders was expected"),
    _("a mesh has (N, 3) vertices and (M, 3) faces, got {shape}, {shape2}"),
    _(
        "a network of {channels} channels, {classes} classes and width {width}: at least "
        "one channel, two classes and a multiple of 4 were expected"
    ),
    _("a number"),
    _("a path of {frames} frames was asked for, at least 1 was expected"),
    _("a pattern was expected"),
    _("a pattern, or a list of one per channel, expected"),
    _("a phantom of {size} voxels a side"),
    _("a picture"),
    _("a picture is (H, W, 3) uint8, got {shape} {dtype}"),
    _("a picture {width}x{height} with focal {focal}: all must be positive"),
    _("a point cloud has (N, 3) points and colours, got {shape} and {shape2}"),
    _("a point cloud has finite points and uint8 colours"),
    _("a point with {count} numbers, at least 8 were expected"),
    _("a table was expected; see: {hint}"),
    _("a table with cts, views, pose, render … was expected"),
    _("a text model"),
    _("a texture"),
    _("a texture has (T, 2) coordinates and (M, 3) faces, got {shape}, {shape2}"),
    _("a texture of {size} x {size2} pixels"),
    _(
        "a texture of {size} x {size2} pixels has no room for the {count} pieces of the "
        "surface; take a larger texture or fewer voxels"
    ),
    _("a video, .mp4 or .avi"),
    _("a volume of {list}"),
    _("a whole number"),
    _("a worker process died, perhaps for want of memory; resume with fewer workers"),
    _(
        "a {suffix} holds one picture, these parameters give one per material or energy "
        "bin: use .tiff"
    ),
    _("a {what} point is not finite: {points}"),
    _("against {result}, scaling {scaling}:"),
    _("all {black} frames are black or there are none; nothing has depth in the dark"),
    _("all {size} marked voxels are frozen; mark others"),
    _("an element of {size} bytes goes beyond the end"),
    _("an image array has (K, J, I) or (K, J, I, C) axes, got shape {shape}"),
    _("an image array has no empty axis, got shape {shape}"),
    _("an image array holds real numbers, got dtype {dtype}"),
    _("an r-net begins with the weights of its p-net: give --start"),
    _("and {value} more"),
    _("another pose fits nearly as well ({value} %); check it, or give landmarks"),
    _("another run is at work in {folder}; wait for it"),
    _("applying a network"),
    _("architecture is {architecture}, expected one of: {list}"),
    _("array of shape {shape} for an image {shape2}"),
    _("artery"),
    _("asked for ({times})"),
    _("asked for {name}"),
    _("asking for free memory"),
    _("attenuation coefficients"),
    _("augmenting training data"),
    _("auto"),
    _("backend {backend}, one of {list} was expected"),
    _("background"),
    _("background is implied; at most 254 classes"),
    _("bag {both} is in {one}_patient_id and in {other}_patient_id"),
    _("blood"),
    _("bowel"),
    _("by signal {value}"),
    _("calibration"),
    _("camera"),
    _("camera file"),
    _("camera model number {number}; known are 0 to {value}"),
    _("camera model {model}; known are: {list}"),
    _("camera of the depth maps"),
    _(
        "camera_from_world is no rigid transform: its 3x3 part must be a rotation "
        "(determinant {det}, expected 1; no mirror, no scale)"
    ),
    _("cancelled"),
    _("cap {cap}, a positive distance was expected"),
    _("carm"),
    _("cartilage"),
    _("case"),
    _("case {name} has {count} channels, case {name2} has {count2}; all cases need the same"),
    _("case {name} has {count} slices, which cannot be split with validation_slices {share}"),
    _("change"),
    _("channel {path}"),
    _("checked: the file is the card's"),
    _("checking view"),
    _("choose is {value}, a list of values was expected"),
    _("classes"),
    _("classical"),
    _("clear"),
    _("clear (files), rendered (scenes) or pairs was expected"),
    _("close other programs or raise the limit (ulimit -v)"),
    _("closest points"),
    _("coarse segmentation"),
    _("colour"),
    _("colouring"),
    _("comparing pair"),
    _("compiling the {source} for {architecture}"),
    _("computing a spectrum"),
    _("computing on {name} ({reason})"),
    _("connected parts"),
    _("copy a file and its card into the user's folder"),
    _("copy weights and card into a folder"),
    _("cord"),
    _("core {of}"),
    _("correction"),
    _("cortex {of}"),
    _("cost {name}, one of {list} was expected"),
    _("counting frames {count}"),
    _("cpu"),
    _("cross sections"),
    _("cts"),
    _("cuda"),
    _("data"),
    _("data file of {name}"),
    _("data set record"),
    _("delete"),
    _("delete imported weights (bundled ones stay)"),
    _("depth"),
    _("depth from one picture"),
    _(
        "depth maps of {height} x {width} pixels at downsampling {downsampling}; positive "
        "numbers were expected"
    ),
    _("depth of frame"),
    _("depth of frame {count}"),
    _("depth_scale is {depth_scale}, a positive number was expected"),
    _("desmoke"),
    _("devices"),
    _("dimensions is {dimensions}, 2 or 3 was expected"),
    _("dist"),
    _("distortion {list}"),
    _("distributed"),
    _("does not import here ({error})"),
    _(
        "downsampling {downsampling}, multiple {multiple}, visibility_overlap "
        "{visibility_overlap}: at least 1, 1 and 0 were expected"
    ),
    _("drawing curves"),
    _("drawing the smoke level"),
    _("drawing view"),
    _("drawn frames"),
    _("dynunet"),
    _("either --sequence or --training_data_root says what to train on; both are given"),
    _("either --sequence or --training_data_root says what to train on; neither is given"),
    _("engine is {engine}, expected one of: auto, {list}"),
    _("engine {name} skipped: {one_line}"),
    _("engine {name} skipped: {reason}"),
    _("environment"),
    _("epoch {value}/{epochs}, step {batch}/{count}, {loss}"),
    _("equalising the local contrast"),
    _("error: not enough memory; use a smaller image or close other programs"),
    _("every"),
    _(
        "every piece of the surface has fewer than {smallest_part} of its {count} "
        "triangles; lower smallest_part"
    ),
    _("every pixel of the radiograph is {picture}: nothing to register"),
    _("exact"),
    _("export"),
    _("fastest on the example ({times})"),
    _("fastgeodis"),
    _("fat"),
    _("features of frame"),
    _("field of view: {shape}, {mean} of the picture"),
    _("field {name}: unsupported parameter type {hint}"),
    _("file"),
    _("file of landmark pairs"),
    _("file of poses"),
    _("filtering points of view"),
    _("finding a chessboard"),
    _("finding bone, slab"),
    _("finding highlights"),
    _("finding the field of view"),
    _("finding the folder of compiled kernels"),
    _("finding the folder of your weights"),
    _("finetune"),
    _("first device with enough memory"),
    _("first segmentation"),
    _("fisheye"),
    _("fitting pose {value}/{count}"),
    _("flicker over {found} pairs: {told}"),
    _("flips has k, which a 2-D network does not see"),
    _("flips is {flips}, some of the letters ijk were expected"),
    _(
        "focal is {focal} of the width; at least {least_focal}, or 0 for an unknown lens, "
        "was expected"
    ),
    _("following photons"),
    _("foreground"),
    _("form factors"),
    _("frame {count} is {shape} {dtype}, (H, W, 3) uint8 was expected"),
    _("frame {count} is {shape}, those before are {shape2}"),
    _("frame {frame} of {path}: frames are chosen in DICOM files"),
    _("frame {frame} of {path}: it has {count}, counted from 0"),
    _("frame {frame} of {path}: it has {frames}, counted from 0"),
    _("frame {names} differs in size: {told}; make them equal"),
    _("frame {number} is {shape}x{shape2}, the first is {width}x{height}; give them one size"),
    _("frames agree to {agreement} (median),"),
    _("frames and guides are not as many: {error}"),
    _("frames of {shape} for {list} follow ones of {shape2} for {list2}"),
    _("frames {start}:{stop}:{step} are none; 0 <= start < stop, step >= 1"),
    _("frames {text}: {part} is no number or range, as in 0-6,8"),
    _("from {low} to {high}: the ends are swapped"),
    _("from {low} to {high}: whole numbers were expected"),
    _("from {low} with scale: log; a positive real number was expected"),
    _("from {position} to {target} there is no upright"),
    _("frozen mask"),
    _("frozen voxels"),
    _("fusing"),
    _("fx {fx}, fy {fy}, cx {cx}, cy {cy} (pixel centres at half-integers)"),
    _("gas"),
    _("geodesic distances"),
    _("geodistk"),
    _("give IMAGE and LABEL, or --list CASES.csv"),
    _("give a calibration or the intrinsics, not both"),
    _("give a roi, a box about the target,"),
    _("give it or validation_slices, not both"),
    _("guide {shape}, target {shape2} and weight {shape3}: one (H, W) needed"),
    _("ignored"),
    _("ijk"),
    _("image"),
    _("image geometry"),
    _("image {path}"),
    _("image {shape} and seeds {shape2}: equal (K, J, I) expected"),
    _("images"),
    _("import"),
    _("improving at {shape}x{shape2} pixels, start"),
    _("in the mask {report} of what is seen ({report2} with inverted poses)"),
    _("index"),
    _("index of pairs"),
    _("inference by {best} on {device}: {reason}"),
    _("initial labels"),
    _("initial segmentation"),
    _("input_size {size} leaves nothing of the field of {name}"),
    _("inputs"),
    _("instruments"),
    _("iodine"),
    _("is not installed here"),
    _("is {data}, a path or pattern was expected"),
    _("is {entries}, a list of files was expected"),
    _("is {judge}, on or off was expected"),
    _("is {kinds}, a list was expected of: {known}"),
    _("is {others}, error or background was expected"),
    _("is {table}, a table was expected"),
    _("is {value}, a positive number was expected"),
    _("is {value}, a share from 0 to below 1 was expected"),
    _("is {value}, a whole number of at least {least} was expected"),
    _("is {value}, text was expected"),
    _("it has no header of level 5"),
    _("it has vertices that are NaN or infinite"),
    _("it holds {whole} of {count} vertices"),
    _("iterations {iterations}, 1 or more were expected, or None for exact"),
    _("iterations {iterations}: GeodisTK's product is exact; leave them out or use numba"),
    _("its first element is not vertex"),
    _("judge"),
    _("judging frame"),
    _("judging frame of {name}"),
    _("judging pair"),
    _("kernel"),
    _("kinds"),
    _("label"),
    _("label by label"),
    _("label map"),
    _("label map {label}"),
    _("label map {path}"),
    _("label picture"),
    _("label table"),
    _("label volume"),
    _("label {label}, a whole number from 1 to 255 was expected"),
    _("label {missing} is not in the label volume; it has {short}"),
    _("labels"),
    _("labels from {chosen} to {chosen2}, whole numbers from 0 to 255 were expected"),
    _(
        "lambda is 0, where {cost} gives straight lines: use geodesic_distance or "
        "nearest_seed anew for all seeds, or a larger lambda"
    ),
    _("lambda is {lambda}, a number from 0 to 1 was expected"),
    _("landmarks"),
    _("laying out a texture"),
    _("laying out the texture"),
    _("left out {value} localizer(s) of the series"),
    _("left out: {duplicates} repeated, {blurred} blurred"),
    _("length"),
    _("light"),
    _(
        "light brightness and depth correlate by {report} (below 0 as it has to; above, "
        "near and far are exchanged)"
    ),
    _("line {value} has it again"),
    _("list"),
    _("list bundled and imported weights"),
    _("list of cases"),
    _("list of frames"),
    _("list of pairs"),
    _("listing frames"),
    _("looking at frame"),
    _("looking at frame {frames}/{frames2}"),
    _("looking at frames"),
    _("looking at picture {name}"),
    _("looking at video"),
    _("looking for the board in picture"),
    _("loss"),
    _("loss {figures}"),
    _("making the scene"),
    _("marching cubes"),
    _("markup kind {kind}, one of {list} was expected"),
    _("markups file"),
    _("mask"),
    _("mask {path}"),
    _("masks"),
    _("masks of {ndim} dimensions with {count} spacings, 2 or 3 expected"),
    _("matching pair"),
    _(
        "material {text} is unknown; known are {known}, BASE+iodine:MG_PER_ML and "
        "NAME=FORMULA:DENSITY (as in nitinol=NiTi:6.45)"
    ),
    _("material {text}: 0 to 500 mg iodine per ml were expected"),
    _(
        "material {text}: a name, a chemical formula and a density up to {densest} g/cm3 "
        "were expected, as in nitinol=NiTi:6.45"
    ),
    _("material {text}: {reason}; NAME=FORMULA:DENSITY expected"),
    _("materials by formula"),
    _("matplotlib"),
    _(
        "mean {whole} mm, median {whole2} mm, 95 % below {whole3} mm; one unit is {scale} "
        "mm; {overlap} of the scan overlaps"
    ),
    _("measuring"),
    _("measuring distances"),
    _("measuring memory"),
    _("measuring residuals"),
    _("meddl deepigeos train --print-config pnet"),
    _("meddl desmoke train --print-config"),
    _("meddl monodepth train --print-config"),
    _("mend them with: meddl endodepth sfm {folder} --invert"),
    _("mesh"),
    _("metal"),
    _("method network"),
    _("method randomwalker"),
    _(
        "method {method} cannot predict without seeds; add some, {remedy}or give the "
        "weights of a P-Net trained on the target"
    ),
    _("method {method} returned shape {shape}, {shape2} expected"),
    _("method {name} is named twice in {names}"),
    _("method {name} takes no weights ({weights}); leave them or the method"),
    _("minimum"),
    _("missing"),
    _("mm_per_unit is {entered}, but depths and poses are in mm; leave it away"),
    _("mm_per_unit is {mm_per_unit} with depths in mm; 1 was expected"),
    _("mm_per_unit is {mm_per_unit}, a positive number was expected"),
    _("mode is {mode}, min or max was expected"),
    _("model is rnet, which needs pnet: the weights that it corrects"),
    _("module {package} has no attribute {name}"),
    _("monodepth"),
    _("montecarlo"),
    _("mtx"),
    _("muscle"),
    _(
        "neighbouring frames do not match: {matches} matches of {features} features "
        "(median), at least {few_matches} are needed; take more frames of the video "
        "(smaller --stride), and one scene without cuts"
    ),
    _("network"),
    _("network is {name}, expected one of: {list}"),
    _("no Dask scheduler at {scheduler}: {one_line}"),
    _("no TensorBoard curves: the package tensorboard is not installed"),
    _("no accelerator found"),
    _("no bag is left to train on; name fewer for validation and testing"),
    _("no board in: {list}"),
    _("no clear frame in {list}; name frames, as in clip.avi:0-10"),
    _(
        "no field of view was found: the largest bright part covers {mean} of the picture; "
        "draw a mask (white inside, black outside) and give it with --mask"
    ),
    _("no file matches {path}"),
    _("no file matches {path} (folder {folder})"),
    _("no file matches {pattern} (folder {folder})"),
    _(
        "no frame is good enough; lower --sharpness or --colourfulness, widen --brightness,"
        " or leave --clear off"
    ),
    _("no free place for a camera was found in {tries} tries; use another seed"),
    _("no image: give IMAGE, or --list CASES.csv (see: meddl deepigeos --help)"),
    _("no map in {folder} has a known depth in the field of view"),
    _("no more TensorBoard curves: {error}"),
    _("no pair is left to train on"),
    _("no picture of {before} has its name in {after}; give pairs one name"),
    _(
        "no picture of {folders} has a partner of the same name in {folders2} ({names} …, "
        "there {next} …)"
    ),
    _("no pictures: give files or a folder of pictures of the board"),
    _("no pixel has a true depth, the depth metrics are undefined"),
    _("no plot: the package matplotlib is not installed"),
    _(
        "no point of {folder} falls on a known depth, so that depth and poses cannot be "
        "brought to one scale; run structure from motion on more of the video, or take "
        "scale none"
    ),
    _("no pose brings the scan to the surface; give landmarks"),
    _("no rule for the labels {list}: thresholds decide"),
    _("no series {series}"),
    _("no source is left to train on; add some"),
    _(
        "no start was found although neighbouring frames have {matches} matches that shift "
        "by {motion} pixels (frames registered, {tried}, of {count}); a camera that only "
        "turns shows no depth: take a part of the video where it also moves sideways, or "
        "calibrate it first"
    ),
    _("no two stamps of {colour_list} and {depth_list} are within {largest_gap} s"),
    _("no two successive {guide} match, flicker cannot be judged"),
    _("no video can be read: {next}"),
    _("no view sees any point; run structure from motion again"),
    _("no weights of a P-Net were given"),
    _("none"),
    _("none of the frames that were looked at can be decoded"),
    _(
        "none of the {count} maps in {folder} ({names}, …) is of one of the {count2} frames"
        " with a pose in {folder2}"
    ),
    _("nothing"),
    _(
        "nothing in {folder} can be scored: no true depth falls on a known pixel in the "
        "field of view"
    ),
    _(
        "nothing is left of the field of view after undistortion; check the calibration, "
        "which is of {size}x{size2} pixels"
    ),
    _(
        "nothing is left of the mask at {shape}x{shape2} pixels; use less downsampling or a"
        " larger field of view"
    ),
    _("nothing is marked; give foreground or background voxels or points"),
    _("numba"),
    _("nyu"),
    _("occurs twice"),
    _("one of colour (with depth), index, or nyu (with splits) was expected"),
    _("one quantity for all views was expected"),
    _("one value per pixel was expected, not materials or bins"),
    _("onnx"),
    _("onnxruntime"),
    _("openvino"),
    _("optical flow"),
    _(
        "orientation is {code}; keep was expected, or three letters as in RAS: one of R and"
        " L, one of A and P, one of S and I"
    ),
    _("others"),
    _("output"),
    _("packages (installed; tested version where it differs)"),
    _("pair"),
    _("paired points (N, 3) were expected, got {shape}, {shape2}"),
    _("pairs"),
    _("parameter file"),
    _("parameter record"),
    _("parameters"),
    _("path"),
    _("photons are followed on the CPU: {error}"),
    _("picture"),
    _("pinhole"),
    _("platformdirs"),
    _("pnet"),
    _("pnet ({pnet}) has the classes {list} in {dimensions}-D, this run {list2} in {wanted}-D"),
    _("pnet ({pnet}) takes {channels} channels, the cases have {channels2}"),
    _("pnet ({pnet}) was trained with {name} {getattr}, this run has {mine}; both need the same"),
    _("pnet is {pnet}, which holds an {model}"),
    _("point cloud"),
    _("point clouds"),
    _("point file"),
    _("point {labels} is at {ras}: not finite"),
    _("points need the lens: give focal, the focal length over the width"),
    _("points of frame"),
    _("points {report}"),
    _("pose"),
    _("poses is {poses}, expected one of: {list}"),
    _(
        "prediction, truth and mask have shapes {shape}, {shape2} and {shape3}, equal ones "
        "were expected"
    ),
    _("preparing a sequence"),
    _("preparing case"),
    _("preparing frame"),
    _("preparing images for a network"),
    _("preparing materials"),
    _("preparing the CT"),
    _("previews"),
    _("primary"),
    _("product"),
    _("projecting"),
    _("projector"),
    _("psnr"),
    _("psutil"),
    _("published"),
    _("pyamg"),
    _("pycolmap"),
    _("pycuda"),
    _("quantity"),
    _("radiograph"),
    _("radius {radius} and eps {eps}: at least 0 and above 0 were expected"),
    _("random walks"),
    _("range"),
    _("ranking random starts"),
    _("reading NYU Depth v2"),
    _("reading TIFF files"),
    _("reading meshes"),
    _("reading pair"),
    _("reading poses"),
    _("reading slice"),
    _("reading source"),
    _("reading video"),
    _("reading view"),
    _("reading {path}"),
    _("record of rendered rooms"),
    _("record of the fused surface"),
    _("record of the unit"),
    _("references"),
    _("refined"),
    _("registered"),
    _("registration"),
    _("relative"),
    _("relative units"),
    _("removed"),
    _("removing smoke"),
    _("removing smoke by a network"),
    _("render"),
    _("rendered"),
    _("rendered scene"),
    _("rendering frame"),
    _("rendering room"),
    _("rendering scene"),
    _("reprojection error {error} pixels in {count} pictures:"),
    _("rmse"),
    _("rnet"),
    _("roi is {roi}, whole numbers ((k0, k1), (j0, j1), (i0, i1)) were expected"),
    _("roi {astype} is empty or leaves the image of {triple} voxels (k, j, i)"),
    _("rotation axis {vector}: a direction was expected"),
    _("scale is {scale}, linear or log was expected"),
    _("scale is {scale}, the second value must not be the smaller"),
    _("scale {scale}, a positive distance was expected"),
    _("scales from {smallest} to {largest}; positive numbers were expected"),
    _("scales that are not positive"),
    _("scaling is {scaling}, one of {list} was expected"),
    _("scatter by the {method} model is uncertain here: {list}; montecarlo has no such limits"),
    _("scatter method is {method}, expected one of: {list}"),
    _("scatter with the bodies in {{}}x{{}}x{{}} voxels"),
    _("score {score}, NOT converged"),
    _("score {score}, converged"),
    _("scoring frame"),
    _("searching {count} poses"),
    _("secondary"),
    _(
        "secondary_angle is from {secondary_angle} to {secondary_angle2}: directions are "
        "even from -90 to 90 degrees"
    ),
    _("seeds"),
    _("seeds encoded"),
    _("seeds of dtype {dtype} that are no numbers; use a mask of 0 and 1"),
    _("seeds of shape {shape}; (K, J, I), or (J, I) for a picture, was expected"),
    _("segment {segment}, a whole number 1..{most_segments} was expected"),
    _("segment {segment}: {size}"),
    _(
        "segmentation and truth have shapes {shape} and {shape2}, equal ones of 2 or 3 axes"
        " were expected"
    ),
    _("series"),
    _("series {series} applies to DICOM folders, {path} is a file"),
    _("sform"),
    _("show"),
    _("show the card and check the file against it"),
    _("simulating view"),
    _("size is {size}, two whole numbers W, H from 1 to {largest_side} were expected"),
    _("size is {size}, {size2}; the architecture light takes 64 and more on the longer side"),
    _("size is {size}, {size2}; {layers} layers take multiples of {multiple}"),
    _(
        "source-isocenter {source_isocenter} mm is not less than source-detector "
        "{source_detector} mm: the patient would lie behind the detector"
    ),
    _(
        "source_isocenter may be {source_isocenter} mm and source_detector "
        "{source_detector} mm: the patient would lie behind the detector"
    ),
    _("spacing {asarray}, one length in mm for each of the array's {dimensions} axes was expected"),
    _("spacing {spacing} mm: three positive numbers were expected"),
    _("spacing {values} mm, positive lengths were expected"),
    _("spectrum"),
    _("spekpy"),
    _("splits"),
    _("ssim"),
    _("ssim_weight and mse_weight are both 0, there is nothing to learn"),
    _("stands alone, without clear and rendered"),
    _("starting workers"),
    _("step skipped"),
    _("step {value} skipped: loss or gradient not finite"),
    _("structure from motion"),
    _("such of {photons}"),
    _("sweeping"),
    _("sweeping {done}/{iterations}"),
    _("sweeping, iteration {done}"),
    _("sweeping, {falling} voxels fall"),
    _("t is no vector of three numbers"),
    _("the CT has no voxel above -1000 HU in the view: nothing to project"),
    _("the DICOM folder {folder} does not exist"),
    _("the Dask cluster has had no worker for {wait} seconds"),
    _("the Dask scheduler is gone: {one_line}"),
    _("the ONNX Runtime engine"),
    _("the OpenVINO engine"),
    _(
        "the architecture {architecture} learns the smoke too, which pairs do not tell; "
        "give clear frames"
    ),
    _("the axes are sheared; resample it to an upright grid first"),
    _("the backend fastgeodis"),
    _("the backend geodistk"),
    _("the backend numba computes on the CPU, not on {device}; use torch"),
    _("the backend pycuda"),
    _("the backend torch"),
    _(
        "the box from RAS {ends} to {ends2} mm holds no voxel of the image; draw it about "
        "the target"
    ),
    _("the box from {low} to {high} holds nothing"),
    _(
        "the box is {roi}; R0,R1,A0,A1,S0,S1 in RAS mm, each the lower bound first, or a "
        "ROI in a .mrk.json was expected"
    ),
    _(
        "the box {start}..{stop} (k, j, i) lies outside the session's region of interest "
        "{start2}..{stop2}"
    ),
    _("the cache {cache} is damaged ({error}); delete it"),
    _("the camera at {point} mm is outside of the scene, which reaches from {low} to {high} mm"),
    _("the camera at {point} mm is {value} mm inside tissue; move it into free space"),
    _(
        "the camera does not move: matches of neighbouring frames shift by {motion} pixels "
        "(median), at least {little_motion} are needed; take a part of the video where it "
        "moves, or fewer frames (larger --stride)"
    ),
    _("the camera has a skew of {skew}; the format holds fx, fy, cx, cy only"),
    _("the camera is at {value} m, outside a room of {value2} m"),
    _("the case {name} has no file {pattern} (folder {folder})"),
    _(
        "the cases have spacings from {low} to {high} mm (k, j, i), a CRF-Net needs one; "
        "set spacing"
    ),
    _(
        "the checkpoint {checkpoint} is not of this network, optimiser and schedule "
        "({list}); train anew in another folder"
    ),
    _(
        "the checkpoint {path} cannot be read ({name}); delete it to resume from an older "
        "one, or train anew in another folder"
    ),
    _("the classical method needs no weights, {weights} were given"),
    _("the colours are {shape} {dtype}, {shape2} uint8 was expected"),
    _("the crop {span} of depth maps has not their size, {size}"),
    _("the crop's {name} are {value}, [first, end] was expected"),
    _("the dark channel"),
    _("the data range is {data_range}, a positive number was expected"),
    _("the data set {name} has no samples or no length; check the data folder"),
    _("the density of {name} is {density} g/cm3, more than 0 and at most 30 were expected"),
    _("the depth has values that are not above 0 and finite"),
    _("the depth is {shape}, the pictures are {shape2}"),
    _("the depth map has shape {shape}, (H, W) was expected"),
    _("the depth map has shape {shape}, at least (2, 2) was expected"),
    _("the depth map holds NaN, infinity or negative depths; 0 is unknown"),
    _("the depth map of {name} is {shape} x {shape2} pixels, the first one {shape3} x {shape4}"),
    _("the depth map {name} has shape {shape}, expected {size}"),
    _(
        "the depth maps in {folder} are {map_size} x {map_size2} pixels, the frames "
        "{frame_size} x {frame_size2}: a crop needs camera.json beside the maps"
    ),
    _(
        "the depth maps make no surface: nothing was seen often enough, or depth and poses "
        "are not in one unit"
    ),
    _(
        "the depth maps make no surface: too few views of one place, or the weight asked "
        "for ({minimum_weight}) is too high ({error})"
    ),
    _("the detector is {distance} mm from the source, not in front of it"),
    _("the direction or origin contains NaN or infinity"),
    _("the distance field has values that are NaN or infinite"),
    _(
        "the distances lie between {values} and {values2} mm: there is no surface, both "
        "signs were expected"
    ),
    _(
        "the distances need {megabytes} on {name}, {megabytes2} are free; use the backend "
        "numba or a smaller image"
    ),
    _("the dose is scored on the CPU, not on {device}"),
    _("the engine {engine} runs on the cpu only, not on {device}; use torch"),
    _("the example input is empty, arrays like those to come were expected"),
    _("the faces of a mesh are whole numbers, got {dtype}"),
    _("the field of view is {degrees} degrees, 1 to 170 was expected"),
    _("the field of view is {shape} with {sum} pixels, the pictures are {shape2}"),
    _("the file has a camera, no C-arm: {next} cannot be changed"),
    _("the filtration {filtration} lets {through} of the photons through"),
    _("the folder {folder} cannot be made: {strerror}"),
    _("the folder {folder} cannot be made: {value}"),
    _("the folder {folder} for {name} does not exist; make it"),
    _("the folder {folder} is not writable; choose another output"),
    _("the folder {parent} for {name} does not exist; make it"),
    _("the frame"),
    _("the frame is {shape} {dtype}, (H, W, 3) uint8 was expected"),
    _("the frame of {name}"),
    _("the frame of {name} is {shape}, its guide {shape2}"),
    _("the frame {name} is {shape}, {shape2} was expected; give frames and mask one size"),
    _("the frames are {shape}, optical flow needs 16 x 16 pixels at least"),
    _(
        "the frames are {size}x{size2}, the calibration is of {width}x{height}; calibrate "
        "at the size of the video, or crop the video as it was then"
    ),
    _("the frames are {width}x{height}, at least {smallest}x{smallest2} pixels can be judged"),
    _(
        "the frames show too little: {features} features per frame (median), at least "
        "{few_features} are needed; take a brighter or sharper part of the video, check the"
        " mask, or lower --peak-threshold"
    ),
    _("the frames take about {value} GB, {output} has {value2} GB free"),
    _(
        "the frames take more than the limit of {value} GB; take fewer (--step), smaller "
        "(--size) or .jpg ones into another folder"
    ),
    _("the grid has {count} {name} angles, at least 1 was expected"),
    _("the guide is {guide}, expected one of: {list}"),
    _("the history has none of {list}"),
    _("the image has the dtype {dtype}, real numbers were expected"),
    _("the image has the shape {shape}, {axes} was expected for seeds with {dimensions} axes"),
    _("the image has {shape} voxels, more than 2^32; crop it"),
    _(
        "the image has {sum} values that are NaN or infinite, the first at index {first}; "
        "replace them first"
    ),
    _("the image is {shape} {dtype}, (K, J, I, C) float32 was expected"),
    _("the image's values reach from {low} to {high}; rescale them below 1e15"),
    _("the images"),
    _("the images are {shape}, (H, W[, C]) of at least 11 x 11 expected"),
    _("the inlier percentage is {inlier_percentage}, above 0 to 1 was expected"),
    _("the intrinsics are no matrix of numbers: {error}"),
    _(
        "the intrinsics are {result}; ((fx, s, cx), (0, fy, cy), (0, 0, 1)) with positive "
        "fx and fy was expected"
    ),
    _("the intrinsics are {result}; a finite 3x3 matrix was expected"),
    _("the intrinsics have skew {matrix}, COLMAP has none"),
    _(
        "the isocentre lies {value} mm behind the source of the start camera; give a pose "
        "that sees the CT, or --isocenter"
    ),
    _("the label map has no voxel of {list}; it has {present} …"),
    _(
        "the label map has values from {array} to {array2}, whole numbers from 0 to "
        "{largest_label} were expected"
    ),
    _("the label volume has values that are no whole numbers"),
    _("the label volume has {count} labels, 1 to {most_labels} were expected"),
    _(
        "the labels ({list}) lie on another grid than the CT ({list2}); resample them to "
        "it, by nearest neighbour"
    ),
    _(
        "the largest piece of the labels {list} has {sizes} voxels of {count} pieces; a "
        "camera needs at least 30"
    ),
    _("the lens has frames of {size}, (height, width) was expected"),
    _("the lens is {model}, expected one of: {list}"),
    _("the list is empty or names one twice"),
    _(
        "the loss or its gradient was not finite in {skipped} steps in a row (epoch "
        "{value}, step {value2}); lower the learning rate, set a clip norm or look for bad "
        "data; the checkpoint in {folder} is not affected"
    ),
    _("the maps in {depth_folder} are in mm; they need no scale"),
    _(
        "the maps in {depth_folder} had scales from {scales} to {scales2} when they were "
        "fused: no one length holds for all; fuse with --scaling sequence"
    ),
    _("the maps in {folder} are in mm; they need no scale"),
    _("the mask has no pixel inside; draw the field of view"),
    _("the mask has the shape {shape}, {dimensions} axes were expected"),
    _("the mask is {shape}, the frame {shape2}"),
    _("the mask of {material} is empty: no voxel differs from 0"),
    _("the mask {path} is black everywhere; the field of view is drawn white"),
    _("the mask {path} is {shape}x{shape2}, the frames are {size}x{size2}"),
    _("the mask {shape} has no pixel inside; draw the field of view"),
    _("the masks"),
    _("the mesh has faces of vertices {faces} to {faces2}, there are {count}"),
    _("the mesh has no area: its triangles are points or lines"),
    _("the mesh has no triangle"),
    _("the mesh has vertices that are NaN or infinite"),
    _("the method is {method}, expected one of: {list}"),
    _("the metrics on {held_out} are {scores}, finite numbers were expected"),
    _("the model"),
    _(
        "the monitored figure is {monitor}, train/NAME or, with a validation step, "
        "validation/NAME was expected"
    ),
    _("the name {name} is taken by bundled weights; rename file and card"),
    _("the network dynunet"),
    _("the network {architecture} cannot be made: {error}"),
    _("the network {name} gave depths that are not finite; use other weights"),
    _("the network {name} gave values that are not finite; use other weights"),
    _("the numbers of frames differ ({told}); cut them to the same frames"),
    _("the origin is {origin}, three finite mm were expected"),
    _("the output keeps {mean} of the input's structure"),
    _("the output {folder} is a file, a folder was expected"),
    _("the output {path} is a file, a folder was expected"),
    _("the output {path} is a folder, a file name was expected"),
    _("the pair {names} has no depth up to {largest} m; check depth_scale, or leave it out"),
    _("the patch is {patch} pixels, at least 1 was expected"),
    _("the pattern {pattern} has no {{pair}} in place of the name"),
    _("the picture"),
    _("the picture has {height}x{width} pixels, at least 1x1 was expected"),
    _("the picture is {shape}, (H, W, 3) RGB was expected"),
    _("the picture is {shape}x{shape2}, its reference {shape3}x{shape4}; bring them to one size"),
    _(
        "the pictures are {shape} and {shape2}, equal ones of at least {smallest} x "
        "{smallest2} pixels are needed for FSIM"
    ),
    _(
        "the pictures are {shape}, (B, 3, h, w) with sides that are multiples of {multiple}"
        " were expected"
    ),
    _("the pictures are {shape}, UQI needs 8 x 8 pixels at least"),
    _("the pictures are {shape}, structure needs 11 x 11 pixels at least"),
    _(
        "the pictures do not determine the camera; take more, with the board tilted "
        "differently and near the rim of the field ({one_line})"
    ),
    _("the plot"),
    _("the points have shape {shape}, (n, 2) was expected"),
    _("the pose has shape {shape}; a finite (4, 4) was expected"),
    _("the pose of the C-arm"),
    _("the pose of the C-arm mirrors it; a rotation with a translation was expected"),
    _(
        "the pose of the C-arm scales its axes by {list} or shears them; a rotation with a "
        "translation was expected"
    ),
    _("the pose says from where to where it varies"),
    _("the pose {value} is not finite"),
    _("the pycuda backend"),
    _(
        "the radiograph has intensities down to {picture}, expected none below 0; a "
        "negative logarithm is --quantity neglog"
    ),
    _("the radiograph has shape {shape}, one grey picture (1, H, W) was expected"),
    _("the radiograph has {width}x{height} pixels, at least {coarsest} a side were expected"),
    _(
        "the radiograph has {width}x{height} pixels, the camera {size}x{size2}; give the "
        "camera of this picture"
    ),
    _("the rate is {rate} frames per second, 0.1 to 1000 was expected"),
    _("the reference"),
    _(
        "the reprojection error is {error} pixels; below {good} is expected. Leave out "
        "blurred pictures (the worst is {worst}), or try the other --model"
    ),
    _(
        "the scan was fitted at {value} of the surface's size, where it fits anywhere: it "
        "does not show this surface, or the landmarks are wrong"
    ),
    _(
        "the scene has no room for a camera: nothing is {margin} mm from the surface, the "
        "widest place {values} mm"
    ),
    _("the search for a pose"),
    _(
        "the seeds have the shape {shape}, the image {shape2}; draw them on the image's "
        "grid or resample them"
    ),
    _("the seeds {seeds} are all 0; 1 is background, 2 and above mark"),
    _("the shape is {shape}, (H, W) of at least 1 x 1 was expected"),
    _("the shares add up to {sum}, at most 1 was expected"),
    _("the solution is not finite"),
    _("the sound of {name}"),
    _("the space is {space}, LPS or RAS was expected"),
    _("the spacing is {spacing} mm, a positive number was expected"),
    _("the spacing is {spacing} mm, {ndim} positive numbers expected"),
    _("the spacing is {steps} mm, positive numbers were expected"),
    _("the spectrum reaches {energies} keV, {lowest_energy} to {energies2} keV were expected"),
    _("the strength is {strength}, a number from 0 to 1 was expected"),
    _("the surface of a rendered sequence"),
    _("the surface of a scene"),
    _("the task needs about {megabytes}, {name} has {megabytes2} free; {remedy}"),
    _("the texture has {count} faces, the mesh {count2}"),
    _("the texture is {shape} {dtype}, (H, W, 3) uint8 was expected"),
    _("the texture's faces go beyond its {count} coordinates"),
    _("the tolerance is {tolerance} mm, a number of at least 0 was expected"),
    _("the training step gave {loss} as loss, a scalar tensor is needed"),
    _("the unit is {unit}, one of {list} was expected"),
    _("the value {number} belongs to {taken} already"),
    _(
        "the volume has {shape} materials, scatter on a CUDA device takes at most "
        "{most_materials}; use --backend numba"
    ),
    _(
        "the volume needs {megabytes} of textures, {name} has {megabytes2} free: projecting"
        " {count} slabs, each copied for every view (--coarsen 2 would need an eighth)"
    ),
    _(
        "the voxel is {voxel}, the truncation {truncation}; a positive length and at least "
        "one voxel were expected"
    ),
    _("the weights would be called {name}, as those of pnet; set another name"),
    _(
        "the weights {name} are for {task} ({architecture}); weights of meddl monodepth "
        "train were expected"
    ),
    _(
        "the weights {name} are of the architecture {architecture}, {architecture2} was "
        "expected; choose weights that `meddl desmoke train` has made"
    ),
    _("the weights {name} take {channels} channels, the image has {shape}"),
    _("the zoom is {zoom}, a positive number was expected"),
    _(
        "the {count} frames looked at are all black (brightest value {bright}); choose "
        "another range of frames"
    ),
    _("the {model} lens has the distortion {distortion}; {list} finite numbers were expected"),
    _("the {name} have shape {shape}, {shape2} was expected"),
    _("the {name} have values that are NaN or infinite"),
    _("the {name} holds depths that are not finite and above 0; mask them"),
    _("the {name} is {size} mm, a positive length was expected"),
    _("the {name} numbers do not increase: {numbers} …"),
    _("the {name} points lie on one line; the turn about it is unknown"),
    _("the {role} {path} was not found (folder {cwd})"),
    _(
        "the {what} has {components} values per voxel, one was expected; extract the "
        "component or time point that you mean"
    ),
    _("the {what} has {list} voxels: it is a 2-D picture, a 3-D volume was expected"),
    _("the {what} has {sizes} voxels, the image {sizes2}; resample it to the image"),
    _(
        "the {what} has {sum} voxels that are NaN or infinite, the first at ijk {first}; "
        "replace them before use"
    ),
    _("the {what} have shape {shape}, the image has {shape2} (k, j, i)"),
    _("the {what} hold {dtype}, numbers were expected"),
    _("the {what} hold {wrong}, whole numbers from 0 to 255 were expected"),
    _(
        "the {what} lies elsewhere than the image: corners differ by {apart} mm; resample "
        "it to the image"
    ),
    _(
        "the {what} marks have shape {shape}; a mask of {shape2} (k, j, i) or points (N, 3)"
        " in RAS mm were expected"
    ),
    _("the {what} marks hold {dtype}, numbers were expected"),
    _("the {what} mask has shape {shape}, the image has {shape2} (k, j, i)"),
    _("the {what} mask holds values that are not finite"),
    _("the {what} point at RAS {points} mm lies outside the image"),
    _("the {what} {path} has {components} components, one was expected"),
    _("there are no frames to judge"),
    _("there are no frames to write to {path}"),
    _("there are no pairs"),
    _("there are no pairs to judge on"),
    _("there are no two successive frames that match, flicker is undefined"),
    _("there are no weights {name} in {user_folder}"),
    _(
        "there are no weights {text}; there are: {there}; import a file with: meddl weights"
        " import FILE.safetensors"
    ),
    _("there is no case {name}"),
    _("there is no class {target}; {name} has: {list}"),
    _("there is no clear frame in {names}; name frames, as in clip.avi:0-10"),
    _("there is no command {arguments}; there are: {list} (see: meddl --help)"),
    _("there is no configuration {kind}; there are: {list}"),
    _("there is no device {name} here; there is: {there} (or auto)"),
    _("there is no device {name}: PyCUDA sees {count}; use numba"),
    _("there is no figure {monitor}; there are: {list}"),
    _("there is no folder {path}"),
    _("there is no frame {number}; there are 0 to {value}"),
    _("there is no method {name}; there are: auto, {list}"),
    _("there is no pair {name}"),
    _("there is no preset {name}; there are: {list}"),
    _("there is no seed: every voxel of the seeds is 0; mark at least one voxel"),
    _(
        "there is no structure from motion to take the scale from; run meddl endodepth sfm,"
        " or predict with --scale none"
    ),
    _("there is no transmission before the first frame"),
    _("there is no {name}; there are: {shown}"),
    _("there is nothing to desmoke: give pictures or folders of pictures"),
    _(
        "there is nothing to hold {output} against; give clear frames (REFERENCE_DIR), "
        "smoky ones (--input) or both"
    ),
    _("there is nothing to predict: give pictures, a folder or a video"),
    _("they are as the format wants them"),
    _("threads is {threads}, at least 1 was expected"),
    _("threshold"),
    _("tifffile"),
    _("time point {time} of {path}: it has {count}, counted from 0"),
    _("time={time} does not apply to DICOM ({path}); choose a series"),
    _("time={time} does not apply to the picture {path}"),
    _("tip {tip} and end {end}: two points R, A, S were expected"),
    _("too little free memory on {list}"),
    _("torch"),
    _("training"),
    _("training cancelled at step {step}; resume {folder}"),
    _("training record"),
    _("training the generalist networks"),
    _("training the material network"),
    _("transform"),
    _("transport"),
    _("trimesh"),
    _("truncated: {size} more bytes are announced at byte {at} of {count}"),
    _("turned by {turn} degrees, moved by {shift} mm (x right, y down, z depth)"),
    _("two frames are called {name}; give them different names"),
    _("two pictures are called {twice}; their depth maps would be one file"),
    _("two pictures would become {twice}; give them different names"),
    _(
        "two slices of the volume need {megabytes}, the device has {megabytes2} for them; "
        "use --coarsen or --backend numba"
    ),
    _("undistortion"),
    _("unknown entry; known are: {known}"),
    _("unknown key; known are: {list}"),
    _("unknown parameter; known are: {list}"),
    _("unknown parameter; known are: {names}"),
    _(
        "up to {frames} frames take about {value} GB, over the limit of {limit} GB; take "
        "fewer (--step), smaller (--size) or .jpg ones"
    ),
    _("urine"),
    _(
        "usage: meddl COMMAND [OPTIONS] meddl COMMAND --help says more MedDL {version}: "
        "research systems of medical image computing, without 3D Slicer's window. Research "
        "software: not for clinical use. systems: {table} tools: {table2} examples: meddl "
        "demo figures and a scene in demo/ meddl drr render ct.nii.gz --output ap.png an "
        "anterior-posterior radiograph meddl drr render ct.nii.gz --output lao.tiff "
        "--primary-angle 30 --json meddl doctor what is here and what is missing options of"
        " every command but test, which passes all on to pytest: --json print one line of "
        "JSON, no progress --quiet no progress, no warnings --debug say more; show where an"
        " error comes from exit codes: 0 done, 2 bad input (one line says what and what to "
        "do), 130 cancelled environment variables: MEDDL_WEIGHTS folder of imported and "
        "trained weights MEDDL_TORCH_INDEX package index from which ./meddl installs "
        "PyTorch MEDDL_SLICER_SOURCE checkout of Slicer's sources, for the tests to use its"
        " own Python files MEDDL_DEBUG if set, as --debug"
    ),
    _("use --coarsen 2 (an eighth) or --backend numba"),
    _("use a smaller image or close other programs"),
    _("use a smaller one or close other programs"),
    _("validation"),
    _("validation needs both a step and data, one of them is missing"),
    _("vein"),
    _("video"),
    _("video or picture"),
    _("view {done}/{count}, {rate} per minute"),
    _("view {number}: the CT lies outside the picture; check isocentre and angles"),
    _("view {strange} is none of the {count} frames"),
    _("view {value}/{count}"),
    _("views"),
    _("volume"),
    _("water"),
    _("weights are missing: give a name or a file of meddl monodepth train"),
    _("weights card"),
    _("weights file"),
    _("weights left out of the list: {error}"),
    _("width is {width}, a multiple of 4 was expected"),
    _("window is {window}, the second value must be the larger"),
    _("window {black},{white}: the second value must be the larger one"),
    _("window {low},{high}: the second value must be the larger one"),
    _("with code {code}"),
    _("without: {list}{value}"),
    _("world_from_camera is not rigid: {turn} is no rotation"),
    _("writing Motion JPEG"),
    _("writing TIFF files"),
    _("writing frame"),
    _("writing frame {count}"),
    _("writing meshes"),
    _("writing pair"),
    _("writing poses"),
    _("writing {path}"),
    _("xraydb"),
    _("{backend}: not here ({reason})"),
    _("{black} of {count} frames are black; their maps are empty"),
    _("{both} is a training case too"),
    _("{both} is a training pair too"),
    _("{both} is input and output; choose another output"),
    _(
        "{clipped} pixels lay outside the range {low} to {high} and were clipped; the "
        "manifest says in which views"
    ),
    _(
        "{colour} is {shape}x{shape2}, {depth} {shape3}x{shape4}; both need one size, "
        "registered to each other"
    ),
    _("{count} camera parameters, {model} has {camera_models}"),
    _(
        "{count} case(s) leave none to train on; validation_slices holds out slices of "
        "every case instead"
    ),
    _("{count} frame numbers for {count2} frame files"),
    _("{count} frames of sizes {value}"),
    _("{count} frames, means:"),
    _("{count} labels for points of shape {shape}"),
    _(
        "{count} of {count2} frames are left ({duplicates} repeat the one before, {blurred}"
        " are blurred); a sequence needs at least 2"
    ),
    _(
        "{count} of {count2} pictures of {folders} have no {role} of the same name in "
        "{folders2}: {list}; add or remove them"
    ),
    _("{count} pair(s), depths in m"),
    _("{count} pairs of points; at least 3 finite ones were expected"),
    _("{count} pairs would be called {name}; rename a source"),
    _("{count} pictures show the board; {advised} or more are advised"),
    _("{count} pixels"),
    _("{count} series"),
    _("{count} views were asked for"),
    _("{count} voxels, {value} ml"),
    _("{ct} has changed since the data set was begun"),
    _("{damaged} damaged packets of {what} were left out"),
    _(
        "{deaths} workers died with view {view} of {path}: most likely there is too little "
        "memory; --resume with fewer workers"
    ),
    _(
        "{dict} is no choice: {{choose: [A, B]}} or {{from: LOW, to: HIGH}} was expected, "
        "with scale: log for numbers of several magnitudes"
    ),
    _("{entry} is no CT: a path, or {{path: …, labels: …}}"),
    _("{error}, one of: {listed}"),
    _("{examples} examples are too few"),
    _(
        "{examples} has {found} inputs of each view, {inputs} are expected: another version"
        " made it; delete it"
    ),
    _("{file} decodes to {shape}, its header says {shape2}"),
    _("{file} has PixelSpacing {spacing}, not positive"),
    _("{file} has no PixelSpacing; mm per pixel were expected"),
    _(
        "{file} has no partner ({count} such files); add it, move the file away, or list "
        "the pairs under training"
    ),
    _(
        "{file} has no position or orientation of its planes (a film or a projection?); a "
        "CT or MR slice was expected"
    ),
    _("{file} has orientation {orientation}, two perpendicular unit vectors were expected"),
    _("{file} has {name} {values}, {length} finite numbers were expected"),
    _("{file} rescales its frames differently; export it as single-frame files"),
    _("{file} says {frames} frames and describes {count}; it is damaged"),
    _("{first} is {shapes}x{shapes2}, {second} {other}x{other2}; a pair needs one size"),
    _("{folder} cannot be written: {value}"),
    _("{folder} exists and holds no rendered rooms; choose another folder"),
    _(
        "{folder} has no camera_intrinsics_per_view; calibrate the camera, or let structure"
        " from motion estimate it (meddl endodepth sfm)"
    ),
    _("{folder} has no folder {part}; it is none of meddl desmoke synthesize"),
    _("{folder} has no frame {number}; it has {first} to {last}"),
    _("{folder} has no poses and points; run: meddl endodepth sfm {folder2}"),
    _("{folder} has no poses; run: meddl endodepth sfm {folder2}"),
    _(
        "{folder} has no {frame_name}, which {frames} lists; take it from the list or bring"
        " the frame back"
    ),
    _("{folder} has two pictures {name} and {name2}"),
    _(
        "{folder} has {count} frame{value}, structure from motion needs at least "
        "{min_frames}, better 20; take more frames of the video (smaller --stride)"
    ),
    _("{folder} has {count} pictures, number {start} was asked for"),
    _(
        "{folder} has {count} points left of {count2}, at least {fewest_points} were "
        "expected; check the poses with: meddl endodepth sfm, or raise inlier_percentage"
    ),
    _("{folder} has {found} but no {missing}; all of structure from motion"),
    _("{folder} holds another training run; resume it or choose another folder"),
    _(
        "{folder} holds no COLMAP model: cameras, images and points3D (.bin or .txt) were "
        "expected, there or in sparse/0"
    ),
    _("{folder} holds no DICOM image{hint}"),
    _("{folder} holds no depth map (.tiff); make them with endodepth predict"),
    _("{folder} holds no pictures ({list})"),
    _("{folder} holds no video ({list})"),
    _("{folder} holds none of Cholec80's video01.mp4 to video22.mp4"),
    _("{folder} holds other files than depth maps; choose another folder"),
    _("{folder} holds other files than {what}; choose another folder"),
    _("{folder} is a file, a folder for the training run was expected"),
    _("{folder} is a file; choose another output"),
    _("{folder} is no folder of pictures"),
    _("{folder} is no folder; a folder of depth maps was expected"),
    _("{folder} is no folder; a sequence is one, made by: meddl endodepth frames"),
    _("{folder} is no folder; make it first"),
    _("{folder} is no folder; the folder of the videos was expected"),
    _("{folder} was rendered with {name} {found}, not {value}; use the same or another folder"),
    _(
        "{folder} was trained with {name} {recorded}, not {parameters}; resume with the "
        "same value or choose another folder"
    ),
    _(
        "{folder}: near and far seem exchanged: brightness grows with depth (rank "
        "correlation {light}); the camera moves too little for its field of view: calibrate"
        " it, or take a part of the video with more motion"
    ),
    _("{folder}: only {count} points in {count2} of {count3} frames; {explain}; log: {log}"),
    _("{folder}: {alone} has no partner ({count} such pictures)"),
    _("{folder}: {count} frames of {width}x{height}"),
    _("{folder}: {explain}; log: {log}"),
    _("{folder}: {pairs} pairs of rooms"),
    _("{frames} frames at {rate} per second; at least 1 above 0 was expected"),
    _("{histories} photons for scatter, at least {blocks} were expected"),
    _("{kept} frames without smoke change by {kept2}"),
    _("{kind} mesh"),
    _("{kind} picture"),
    _("{labels} has {components} values per voxel, one expected"),
    _("{label} has no voxel of value {value}; there are: {there}"),
    _("{listed} lists no frame"),
    _("{message} (see: {prog} --help)"),
    _("{message} frame"),
    _("{names} have shapes {shape} and {shape2}, equal non-empty ones needed"),
    _("{names} hold values that are not finite numbers"),
    _("{name} ({architecture}) does not fit this {name2}: {list}{more}"),
    _("{name} cannot be encoded: {error}"),
    _("{name} cannot be written: {value}"),
    _("{name} cannot run this network ({one_line})"),
    _("{name} cannot run this network ({reason}); use the engine torch"),
    _("{name} contains NaN or infinity"),
    _("{name} ends after about {value} of {value2} frames"),
    _("{name} has last row {result}, expected [0, 0, 0, 1]"),
    _("{name} has no triangle with three different corners; export it anew"),
    _("{name} has no value, {getattr} was expected"),
    _("{name} has shape {shape}, a 4x4 matrix was expected"),
    _("{name} has shape {shape}, expected {shape2}"),
    _(
        "{name} has triangles that face inwards beside ones that face outwards ({sum} "
        "edges); orient its normals, in Slicer with Surface Toolbox"
    ),
    _("{name} has values of type {kind}"),
    _("{name} has zero spacing along {value}; it must be positive"),
    _(
        "{name} has {count} views with points, none of them {low} to {high} views apart; "
        "lower adjacent_range"
    ),
    _(
        "{name} has {size} of {said} bytes: the disk is full or the file may not grow; free"
        " some space"
    ),
    _("{name} has {size} values, not those of its shape"),
    _(
        "{name} is an open surface ({sum} edges with one side only), a closed one was "
        "expected; fill its holes, in Slicer with Surface Toolbox"
    ),
    _("{name} is bundled with meddl and cannot be deleted"),
    _("{name} is from {low} to {high}; the ends are swapped"),
    _("{name} is left out: it has no clear frame"),
    _("{name} is left out: {reason}"),
    _("{name} is missing (see: meddl deepigeos train --help)"),
    _("{name} is missing (see: meddl {system} train --help)"),
    _("{name} is no matrix of numbers: {error}"),
    _(
        "{name} is no name for weights: use up to 100 letters, digits, '.', '_' or '-', "
        "beginning and ending with a letter or digit"
    ),
    _("{name} is no name of a frame"),
    _("{name} is no {shape}x{shape2} matrix of numbers"),
    _("{name} is singular: its axes lie in one plane"),
    _("{name} is {getattr}, a positive number was expected"),
    _("{name} is {number}{unit}, at least {low} was expected"),
    _("{name} is {number}{unit}, at most {high} was expected"),
    _(
        "{name} is {shape} {dtype}, (H, W, 3) uint8 was expected: stack grey three times, "
        "drop alpha, divide 16 bits by 257"
    ),
    _(
        "{name} is {shape}x{shape2}, the pictures before it are {shape3}x{shape4}; give "
        "them one size"
    ),
    _("{name} is {shape}x{shape2}, the pictures before it are {size}x{size2}; give them one size"),
    _("{name} is {value}, a finite number was expected"),
    _("{name} is {value}, a whole number was expected"),
    _("{name} is {value}, expected one of: {listed}"),
    _("{name} is {value}, expected one of: {list}, random"),
    _("{name} is {value}, from {low} to {high} was expected"),
    _("{name} is {value}, on or off was expected"),
    _("{name} is {value}, text was expected"),
    _("{name} is {value}, {length} numbers were expected, as in {list}"),
    _("{name} is {value}, {wanted} was expected"),
    _("{name} leaves inputs of {shapes} to torch: {reason}"),
    _("{name} reaches the 4 GB of an AVI; write .mp4 (PyAV)"),
    _("{name}, {name2}: interaction {number}"),
    _(
        '{name}: H.264 and sound need PyAV, install it with: pip install "meddl[video]" (in'
        ' Slicer: MedDL Home, Install); or write .avi (Motion JPEG without sound)'
    ),
    _("{name}: smoke level {level}"),
    _("{name}: the driver refused a texture (CUDA error {result})"),
    _("{name}: the label has shape {shape}, the image {shape2} (k, j, i)"),
    _("{name}: {share} voxel has the label; choose another value"),
    _(
        "{needed} is not in {folder}; this command needs a checkout: git clone "
        "https://github.com/SlicerMedDL/SlicerMedDL"
    ),
    _("{number} belongs to {taken} already"),
    _("{number} is no label, a whole number was expected"),
    _(
        "{nvcc} does not compile the kernels for {architecture} ({said}); install a CUDA "
        "toolkit and host compiler that fit the device"
    ),
    _(
        "{one_path} and {path} lie {shift} mm apart; images and labels of a case need one "
        "grid: resample the labels to the image"
    ),
    _(
        "{one_path} has {here} voxels, {path} has {there}; images and labels of a case need"
        " one grid"
    ),
    _("{option} is {text}, FILE:MATERIAL was expected, as in wire.stl:iron"),
    _("{option} is {value} {unit}, the limits of the preset {name} are {low} to {high} {unit2}"),
    _("{others}: every landmark needs a name of its own"),
    _("{output} cannot be made: {value}"),
    _("{output} cannot be written: {value}"),
    _("{output} exists and is not empty; choose another folder, or replace it with --overwrite"),
    _("{output} holds a data set; continue it with --resume, or choose another"),
    _("{output} holds a data set; resume it, or choose another folder"),
    _("{output} holds other files than a rendered sequence; choose another folder"),
    _("{output} is a file, a folder for the data set was expected"),
    _("{output} is a file; choose another output"),
    _("{output} is not an empty folder; choose another output"),
    _("{output} is not empty and holds no data set; choose another folder"),
    _("{output} was begun with other {name}; resume with the same, or choose another folder"),
    _("{output} was begun with {name} {short}, not {short2}; resume with the same configuration"),
    _("{output}: distances up to {largest} ({seconds} s)"),
    _("{output}: the dark channel of {name} is written as {wanted}"),
    _("{output}: {count} depth map(s) in mm"),
    _("{output}: {model}, {size}x{size2} pixels"),
    _("{output}: {pairs} pair(s)"),
    _("{output}: {record} frames, {record2}, smoke level {level} (largest {level2})"),
    _("{output}: {report} frames of {report2} videos ({splits}), {value} GB"),
    _("{output}: {report} pairs in {report2} clips ({classes})"),
    _("{output}: {report} vertices, {report2} triangles of {report3} frames, in {unit}"),
    _("{package} exports names of its own submodules: {shadowed}"),
    _("{partner} is missing, which belongs to it"),
    _("{paths} has {count} frames, number {value} was asked for"),
    _("{path} and another of the weights both hold a {model}"),
    _("{path} belongs to another entry too"),
    _("{path} belongs to the series {own}, not to {series}"),
    _("{path} cannot be deleted: {strerror}"),
    _("{path} cannot be read: {value}"),
    _("{path} cannot be used: {error}"),
    _("{path} cannot be written as JSON: {error}"),
    _("{path} cannot be written by OpenCV ({size}x{size2}, {rate} /s)"),
    _("{path} cannot be written: {error}"),
    _("{path} cannot be written: {value}"),
    _(
        "{path} changes from {size}x{size2} to {width}x{height} pixels on its way; cut it "
        "where it changes"
    ),
    _("{path} claims {blocks} blocks of {block} bytes: it is damaged"),
    _(
        "{path} claims {expected} bytes of pixels and has {st_size}: it is truncated; copy "
        "or export it again"
    ),
    _(
        "{path} claims {expected} bytes of voxels and has {size} in all: it is truncated or"
        " damaged; copy or export it again"
    ),
    _("{path} claims {needed} bytes of pixels and has {size}: it is damaged"),
    _("{path} claims {width}x{height} pixels up to {largest}: it is damaged"),
    _("{path} corrects {pnet}, whose weights are neither beside it nor imported; put them there"),
    _("{path} declares XML entities, which no VTK file does"),
    _("{path} decodes to {shape}, its header says {shape2}"),
    _("{path} does not exist; the official split is at {splits}"),
    _("{path} does not say whether it is mirrored: it is taken as seen from the source"),
    _("{path} ends after {count} of {said} frames"),
    _("{path} ends before frame {number} of {count}"),
    _("{path} ends in the middle"),
    _("{path} has 8 bits per pixel; a depth picture has 16, or is a float TIFF"),
    _("{path} has CoordinateSystem {system}, LPS or RAS was expected"),
    _("{path} has NIfTI data type {kind}; integers or floats were expected"),
    _("{path} has NaN or infinity in its qform"),
    _(
        "{path} has SHA-256 {found}…, its card says {value}…: the file is damaged or not "
        "the card's; get both again"
    ),
    _("{path} has TIFF axes {axes}, rows x columns expected"),
    _("{path} has a carriage return within a header line; it is damaged"),
    _("{path} has a damaged frame {number}"),
    _("{path} has a frame that cannot be decoded"),
    _("{path} has a sheared sform; resample it to an upright grid first"),
    _("{path} has an array of format {kind}"),
    _("{path} has coordinateSystem {system}, LPS or RAS was expected"),
    _("{path} has coordinateUnits {units}, mm or um was expected"),
    _("{path} has encoding {encoding}; save it as raw or gzip"),
    _("{path} has images {images} and depths {depths}; (N, 3, W, H) and (N, W, H) were expected"),
    _("{path} has its voxels at byte {offset}, at least 352 was expected"),
    _("{path} has no end of header within {megabytes}"),
    _("{path} has no frame that decodes; it is truncated or damaged"),
    _("{path} has no label: every voxel is 0"),
    _("{path} has no picture, only {count} other streams"),
    _("{path} has no pixel of {inside} or brighter: nothing is in the field"),
    _("{path} has no voxel that is not 0: there is no seed; mark at least one"),
    _("{path} has no {names}; the keys are {list}"),
    _("{path} has no {name}; splits.mat of NYU Depth v2 was expected"),
    _("{path} has no {tag}; give it with {option} MM"),
    _("{path} has pages of {one} and {other}; split it into one file each"),
    _(
        "{path} has pictures in a codec that FFmpeg does not know; convert it to H.264 "
        "where it plays"
    ),
    _("{path} has pixels of {spacing} mm: a C-arm has square ones"),
    _("{path} has spacing {spacings} mm, positive numbers were expected"),
    _("{path} has the focal lengths {fx} and {fy}; positive was expected"),
    _("{path} has the frames 0 to {value}, {numbers} was asked for"),
    _("{path} has the header field {key} twice; it is damaged"),
    _("{path} has the unknown extension {suffix}; read are {list} and DICOM"),
    _("{path} has the unknown extension {suffix}; written are .nii, .nii.gz, .nrrd, .mha, {list}"),
    _("{path} has the views of {found} points, {points} has {count} points"),
    _("{path} has two cases of the name {name}; give a column name"),
    _("{path} has {columns} columns and {rows} rows, at least 1 was expected"),
    _("{path} has {components} components, a mask has one"),
    _(
        "{path} has {components} values per pixel; labels are one grey value or palette "
        "index per pixel"
    ),
    _("{path} has {components} values per voxel, a label map has one"),
    _("{path} has {count} dimensions {sizes}, positive sizes were expected"),
    _("{path} has {count} dimensions, 2 to 4 were expected"),
    _("{path} has {count} frames, number {start} was asked for"),
    _(
        "{path} has {count} frames; {start}:{stop} by {stride} are {count2}, a sequence "
        "needs at least 2"
    ),
    _("{path} has {count} numbers, the four fx, fy, cx, cy were expected"),
    _("{path} has {count} pairs of landmarks; at least 3 were expected"),
    _("{path} has {found} bytes of pixels, {needed} were expected: truncated"),
    _("{path} has {found} poses, {count} were expected, one per line of {views}"),
    _("{path} has {images} pairs, number {value} was asked for"),
    _("{path} has {list} voxels, the image {list2}; resample the mask to the image's grid"),
    _("{path} has {shape} values per pixel, a depth picture has one"),
    _("{path} holds NaN, infinity or negative depths; write 0 for unknown"),
    _("{path} holds a {architecture}, weights of `meddl deepigeos train` were expected"),
    _("{path} holds complex or unknown values, real numbers were expected"),
    _("{path} holds no examples, or is damaged; delete it"),
    _("{path} holds no plane"),
    _("{path} holds no point with a defined position"),
    _(
        "{path} holds no scatter kernels of shape {expected}; make them again with meddl "
        "drr scatter train --model kernel"
    ),
    _("{path} holds no table of a calibration"),
    _("{path} holds no triangle"),
    _(
        "{path} holds one picture of {list} components, got {count} of {components}; write "
        ".tiff or .nrrd"
    ),
    _("{path} holds other pictures; delete it to render the scene again"),
    _("{path} holds values between whole numbers, a label map was expected"),
    _(
        "{path} holds values from {labels} to {labels2}; a label map holds whole numbers "
        "from 0 to 32767"
    ),
    _("{path} holds {count} ROIs, one was expected"),
    _(
        "{path} holds {count} examples of {table} photons, {wanted} were asked for; choose "
        "another --output"
    ),
    _(
        "{path} holds {count} time points, one volume was expected; extract the one that "
        "you mean (in Python: read_image(path, time=0..{value}))"
    ),
    _("{path} holds {dtype}, a frame is uint8 or uint16"),
    _("{path} holds {root}, PolyData was expected"),
    _("{path} holds {shape} {dtype}; one page of 32-bit float depths was expected"),
    _("{path} holds {strange}, whole numbers were expected"),
    _("{path} holds {wanted}, got {dtype}; scale it or write .tiff"),
    _("{path} holds {wanted}; choose one with --series UID: {there}"),
    _("{path} is a deflated DICOM file; convert it with dcmconv +te"),
    _("{path} is a folder, a {what} was expected"),
    _("{path} is a picture, a volume was expected"),
    _("{path} is compressed by {compressor}; save it with zlib or uncompressed"),
    _("{path} is compressed; name it {name}.gz"),
    _("{path} is cut off before its image; copy or export it again"),
    _("{path} is damaged: {error}; copy or export it again"),
    _("{path} is empty (0 bytes), a {what} was expected"),
    _("{path} is in colour, a grey radiograph was expected"),
    _("{path} is no DICOM image"),
    _("{path} is no MetaImage (no NDims or ElementDataFile)"),
    _("{path} is no NRRD (it does not begin with NRRD000)"),
    _("{path} is no PLY file"),
    _("{path} is no UTF-8 text (byte {start})"),
    _("{path} is no binary PGM or PPM picture (P5 or P6); save it as PNG"),
    _(
        "{path} is no camera of depth maps ({error}); intrinsics, width, height and crop "
        "were expected"
    ),
    _("{path} is no file name: {error}"),
    _("{path} is no list of frames; remove the folder {parent} and resume"),
    _('{path} is no markups file: it has no list "markups"'),
    _("{path} is no name for a distance map; its ending must be {list}"),
    _("{path} is no picture ({list})"),
    _("{path} is no readable video"),
    _("{path} is no readable video: {error}"),
    _("{path} is no record of a data set; choose another folder"),
    _("{path} is no record of a fused surface ({error})"),
    _('{path} is no record of a run: it has no "parameters"'),
    _("{path} is no single-file NIfTI-1 (no n+1 at byte 344)"),
    _("{path} is no spectrum: expected {list} with increasing energies up to {highest_energy} keV"),
    _("{path} is no spectrum: {error}"),
    _("{path} is no text (byte {start})"),
    _("{path} is no text: byte {start} is not UTF-8"),
    _("{path} is no training record; choose another folder"),
    _("{path} is no valid YAML: {list}"),
    _("{path} is no valid YAML: {one_line}"),
    _("{path} is no valid safetensors file: {error}"),
    _("{path} is no valid {what}: {error}"),
    _("{path} is no valid {what}{or_else}: {reason}"),
    _("{path} is no video; read are AVI, MP4, MOV, MKV, WebM, WMV, MPEG, and folders"),
    _("{path} is no {what}: not UTF-8 text (byte {start})"),
    _("{path} is spread over several data files ({name}); save it as one file"),
    _("{path} is truncated: {count} of {expected} bytes of a block"),
    _("{path} is truncated: {found} of {needed} bytes; copy or export it again"),
    _("{path} is truncated: {value} of {length} bytes"),
    _("{path} is {lines}; the format's points are ASCII PLY"),
    _("{path} is {name}; save it as grey or RGB"),
    _("{path} is {shape} x {shape2} pixels, camera.json beside it says {height} x {width}"),
    _("{path} is {size}x{size2}, the mask is {mask}x{mask2}; frames and mask have one size"),
    _(
        "{path} lies elsewhere than the image: origin {value} against {value2} mm, spacing "
        "{value3} against {value4} mm, or other axes; resample it to the image's grid"
    ),
    _("{path} lists no case"),
    _("{path} names frame {strange}, which {views} does not list"),
    _("{path} names no pair"),
    _(
        "{path} points to the data file {name} outside its folder; put both into one folder"
        " if you trust them"
    ),
    _(
        "{path} says CompressedDataSize {claimed} and has {stored} bytes: it is truncated "
        "or damaged; copy or export it again"
    ),
    _('{path} says no unit; {{"unit": "relative"}} or "mm" was expected'),
    _("{path} with {has} and without {lacks}; give both"),
    _("{path}, center"),
    _("{path}, control point {number}"),
    _(
        "{path}, frame {number}: the compressed picture is {found}, the header says "
        "{shape}; it is damaged"
    ),
    _("{path}, line 1 is {first}: the header label,r,a,s was expected"),
    _("{path}, line 1 is {list}, {list2} was expected: places on the mesh, then in the patient"),
    _("{path}, line 1 is {list}: a column image and any of {list2} were expected"),
    _("{path}, line 1 is {list}: image,label,value[,name] expected"),
    _("{path}, line {line_num} is {list}; a label and six finite numbers were expected"),
    _("{path}, line {line_num}: {error}"),
    _("{path}, line {lines}: {name}: {message}"),
    _("{path}, line {lines}: {name}{message}"),
    _("{path}, line {line}"),
    _("{path}, line {line} has another number of cells than the header"),
    _("{path}, line {line} has no image"),
    _("{path}, line {line}: image, label and value were expected"),
    _("{path}, line {line}: the name {name} is no file name"),
    _("{path}, line {line}: value"),
    _("{path}, line {number}: the pair {stem} occurs twice"),
    _("{path}, line {number}: there is no file {file}"),
    _(
        "{path}, line {number}: {count} entries; COLOUR DEPTH or TIME COLOUR TIME DEPTH was"
        " expected"
    ),
    _("{path}, line {number}: {list}; TIME FILE was expected"),
    _("{path}, orientation"),
    _("{path}, orientation: nine numbers were expected"),
    _("{path}, series {value}"),
    _("{path}, size"),
    _("{path}, size: {size} mm, three positive numbers were expected"),
    _("{path}: VTK models are not written; write .ply, which Slicer reads too"),
    _(
        "{path}: a DICOM radiograph holds one quantity, this one has {components} "
        "components; write .tiff or .nrrd"
    ),
    _("{path}: a calibration file ends in {list}"),
    _("{path}: a mesh file ends in {list}"),
    _("{path}: a mesh with a texture is written as .obj"),
    _("{path}: a parameter file ends in .json, .yaml or .yml"),
    _("{path}: a point cloud file ends in .ply"),
    _("{path}: a point file ends in .mrk.json, .fcsv or .csv"),
    _("{path}: a radiograph is written as {list}"),
    _("{path}: a segmentation is written as {list}"),
    _("{path}: a surface is written as {list}"),
    _("{path}: a table was expected; see: meddl endodepth train --print-config"),
    _("{path}: a table was expected; see: {hint}"),
    _("{path}: a texture goes with .obj; write {name}"),
    _("{path}: a transform is written as .h5, .tfm, .txt or .json"),
    _("{path}: a weights file ends in .safetensors"),
    _("{path}: controlPoints is no list"),
    _("{path}: detached headers are read, not written; use {whole}"),
    _("{path}: frame numbers from 0 on, each larger than the last, are expected"),
    _("{path}: old VTK files are read in Slicer; open it there, save it as .vtp"),
    _("{path}: pair {value} is in both parts of the split"),
    _(
        "{path}: point {value} {labels} at RAS {value2} lies outside of the image; move or "
        "remove it"
    ),
    _("{path}: points are written as .mrk.json or .csv"),
    _("{path}: sound is written to .mp4 only"),
    _(
        '{path}: the entry {key} is no label; expected "NUMBER": "NAME" or "NUMBER": '
        '{{"name": …, "terminology": …, "material": …}}'
    ),
    _("{path}: the image has sheared axes; resample it to an upright grid"),
    _(
        "{path}: the quaternion of {name} has length {length}, 1 was expected; it is not "
        "normalised or no quaternion x, y, z, w"
    ),
    _("{path}: the report is written as .json"),
    _("{path}: the segmentation of a picture is written as {list}, or as {list2}"),
    _("{path}: the smoke level is written as .csv (table) or .png (plot)"),
    _("{path}: the {place} end at {ends} of {count} numbers"),
    _("{path}: video is written as .mp4 (H.264, PyAV) or .avi (Motion JPEG)"),
    _("{path}: {count} page names for {count2} pages"),
    _("{path}: {dtype} is wider than files hold; convert it to float64"),
    _("{path}: {name} holds no numbers from 1 on"),
    _("{path}: {name} holds values that are not finite; train it again"),
    _("{path}: {name} is {value}, a finite number was expected"),
    _("{pattern} has several videos for {name}: {paths} and {paths2}"),
    _("{pattern} has two files for one {key}: {result} and {path}"),
    _("{place} has no registered image; the reconstruction failed in COLMAP"),
    _("{place}: a point has coordinates that are not finite"),
    _("{place}: a point is feature {last} of image {key}, it has {count}"),
    _("{place}: a point is seen in image {key}, which is not there"),
    _("{place}: image {name} has camera {camera}, not there"),
    _("{place}: two points have one number"),
    _(
        "{purpose} compiles its kernel with nvcc of NVIDIA's CUDA toolkit, which fails: "
        "{one_line}; install it or use the backend numba"
    ),
    _(
        "{purpose} compiles its kernels with nvcc, which is neither on the PATH nor in "
        "$CUDA_HOME; install NVIDIA's CUDA toolkit or choose another backend"
    ),
    _("{purpose} computes on a CUDA device, not on {name}"),
    _("{purpose} needs a CUDA device, PyTorch sees none; use numba"),
    _(
        "{purpose} needs the package {name}, and there is not enough memory to load it; "
        "close other programs or raise the limit (ulimit -v)"
    ),
    _(
        "{purpose} needs the package {package}, which {problem}; install it with: pip "
        "install {package2} (in Slicer: MedDL Home, Install)"
    ),
    _("{purpose}: {one_line}; use the backend numba"),
    _("{quantity} has no usual range; add range: [LOW, HIGH]"),
    _("{report}: {report2} of {report3} frames have a pose"),
    _("{root} has no bag_N folder with sequences"),
    _("{root} has no bag_N folder with sequences, N from {low} to {high}"),
    _("{seconds} seconds a picture, 0.2 to 60 were expected"),
    _("{size} voxels -> {list} pixels, one component"),
    _(
        "{size} voxels are marked as foreground and background, the first at ijk {kji}; "
        "mark each once"
    ),
    _("{smoky_path} is {shape}x{shape2}, its clear partner {shape3}x{shape4}"),
    _("{sound_from} has no sound to copy; leave it out"),
    _(
        "{source} has a {model} camera with distortion, a sequence has undistorted frames; "
        "make a new one with --undistorted NEW_DIR"
    ),
    _(
        "{source} has a {model} camera, which OpenCV has not; undistort the images with "
        "colmap image_undistorter and make the sequence of them"
    ),
    _("{source} has card format {version}, this version reads {card_format}; update meddl"),
    _(
        "{source} has images {list} …, of which {count} match the frames {name} … of "
        "{folder}; name the images as the frames, or with their numbers"
    ),
    _('{source} has no "size": [W, H] (pixels)'),
    _('{source} has no "{missing}"; a camera has K, camera_from_world and size, or P and size'),
    _("{source} has the unknown field {name}"),
    _("{source} has the unknown parameter {unknown}; known are: {list}"),
    _(
        "{source} has {count} different cameras, a sequence has one; run COLMAP with "
        "--ImageReader.single_camera 1"
    ),
    _('{source} holds no camera: expected {{"K", "camera_from_world", "size"}}'),
    _("{source} holds {name}, a table was expected"),
    _("{source} is no picture ({list}); meddl desmoke video takes videos"),
    _(
        "{source} is of pictures of {width}x{height} pixels, the frames have "
        "{width2}x{height2}; both need one aspect ratio and no crop between them"
    ),
    _("{source} is the card of {values}; name file and card alike"),
    _("{source} lacks the field {name}"),
    _("{source}: give the .safetensors file, its card is found beside it"),
    _("{source}: none of {count} points is seen in {min_views} of the {count2} frames"),
    _(
        "{source}: none of {count} points is seen in {min_views} of the {count2} frames "
        "within {max_error} pixels"
    ),
    _("{source}: the metrics on {data} are no table metric: value"),
    _("{source}: two images match frame {number} of {folder}"),
    _("{source}: {name} is {got}, {name2} was expected"),
    _("{suffix} file"),
    _("{sum} lines could not be traced through the meshes"),
    _("{sum} rays of {value} could not be traced through the meshes; they count as beside them"),
    _('{table_path} is no label table: expected {{"1": "spleen", …}}'),
    _(
        "{table} has no labels {labels} ({count} such files); add them, move the files "
        "away, or list the cases under training"
    ),
    _("{taken} and {path} would get one name, {name}; rename one"),
    _("{target} is no picture ({kinds}); a new folder is named without a dot"),
    _("{target} is one picture, {count} would be written; name a folder"),
    _(
        "{text} is a pickle, which can run code when read; convert it where it was made "
        "with safetensors.torch.save_file(model.state_dict(), 'NAME.safetensors') and add a"
        " card"
    ),
    _("{text}{spread} to {spread2}, median {spread3}"),
    _("{value} cannot be read as text: {error}"),
    _("{value} cannot be read: {strerror}"),
    _("{value} cannot be written: {strerror}"),
    _("{value} exists already; delete it first"),
    _("{value} is no label, a whole number from 1"),
    _("{value} is no record of rendered rooms"),
    _("{value} lists no frame"),
    _(
        "{value} marks background only; mark what is to be segmented: --foreground, 2 and "
        "above in --seeds, or --initial"
    ),
    _("{value} of {count} cases segmented"),
    _(
        "{value}: {here} of the visible points lie in front of their camera and in the "
        "mask, {inverse} if the poses are inverted: they are {other}; {remedy} (in Python: "
        "read_sequence(folder, poses={other2}))"
    ),
    _("{views} views need about {megabytes}, {megabytes2} are free at {output}"),
    _("{views} views, about {megabytes}"),
    _("{voxels} voxels"),
    _("{weights} has no card; put its {name} beside it"),
    _(
        "{what} has a gantry tilt of {degrees} degrees (slices shifted by up to {sideways} "
        "mm in their plane); regularise it first (Slicer's DICOM module does) and save it "
        "as .nrrd"
    ),
    _(
        "{what} has slices {gaps} to {gaps2} mm apart, an equal spacing was expected; "
        "resample it first (Slicer's DICOM module does) and save it as .nrrd"
    ),
    _(
        "{what} has the value {shown}, which is no class; classes are {names}; name it "
        "under classes or ignored, or set others: background"
    ),
    _(
        "{what} has the value {shown}, …, which is no class; classes are {names}; name it "
        "under classes or ignored, or set others: background"
    ),
    _(
        "{what} has two planes at {heights} mm ({name}, {name2}): several time points, "
        "echoes or copies; put one of each position into a folder of its own"
    ),
    _("{what} lacks {count} of {value} slices, at {shown} mm along the normal; export it again"),
    _("{what} lacks {count} of {value} slices, at {shown}, … mm along the normal; export it again"),
    _(
        "{what} mixes planes of {name} {one} ({name2}) and {other} ({name3}); put each kind"
        " into a folder of its own"
    ),
    _(
        "{what} mixes planes of {shape} and {shape2} pixels ({name}, {name2}); put each "
        "size into a folder of its own"
    ),
    _("{what} needs about {megabytes} of memory, there are {megabytes2} free; {remedy}"),
    _("{what} not found: {path} (folder {cwd})"),
    _("{where} is no table"),
    _("{where}: position {values}, three finite numbers were expected"),
    _("{{NAME: LABEL, …}} or [LABEL, …] was expected"),
    _("{{NAME: VALUE or [VALUES], …}} was expected"),
)
# fmt: on
