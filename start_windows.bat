@echo off
rem Start Fabula by a double click, or: start_windows.bat [arguments of the command fabula]
setlocal
chcp 65001 >nul
cd /d "%~dp0"

if exist ".venv\fabula-installed" (
    fc /b ".venv\fabula-installed" pyproject.toml >nul 2>&1 && goto start
)

set "PYTHON="
for %%P in ("py -3" "python" "python3") do (
    if not defined PYTHON (
        %%~P -c "import sys; sys.exit(sys.version_info < (3, 11))" >nul 2>&1 && set "PYTHON=%%~P"
    )
)
if not defined PYTHON (
    echo Fabula needs Python 3.11 or newer. Get it from https://www.python.org/downloads/windows/ and start this again.
    pause
    exit /b 1
)

if not exist ".venv\Scripts\python.exe" (
    echo Making .venv
    %PYTHON% -m venv .venv || goto failed
)
echo Installing Fabula into .venv, only when its requirements change
".venv\Scripts\python.exe" -m pip install --disable-pip-version-check --constraint constraints.txt --editable . || goto failed
copy /y pyproject.toml ".venv\fabula-installed" >nul

:start
".venv\Scripts\fabula.exe" %*
if errorlevel 1 pause
exit /b %errorlevel%

:failed
echo The installation did not succeed; the reason is above. Check the network and start this again.
pause
exit /b 1
