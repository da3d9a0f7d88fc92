#!/usr/bin/env bash
# OpenPrompt in an environment of its own: it needs a transformers too old for this project.
# Usage: tests/bench/openprompt_env.sh FOLDER; prints nothing and ends with 0 when FOLDER/bin/python can import openprompt.
set -euo pipefail
folder=${1:?the folder to make}
python=${PTLIB_PYTHON:-python3}
"$folder/bin/python" -c 'import openprompt, safetensors' 2>/dev/null && exit 0
"$python" -m venv "$folder"
pip=("$folder/bin/python" -m pip install --quiet --disable-pip-version-check)
"${pip[@]}" torch==2.13.0 'numpy<2' 'pyarrow<19' transformers==4.28.1 'datasets<3' tqdm yacs tensorboardX nltk sentencepiece \
  scikit-learn dill rouge safetensors
# Its own list of requirements names packages that no longer install.
"${pip[@]}" --no-deps openprompt==1.0.1
"$folder/bin/python" -c 'import openprompt, safetensors'
