import sys,subprocess
# SPDX-License-Identifier: GPL-2.0-or-later
d=open(sys.argv[1],'rb').read()
for magic,cmd in ((b'\xfd7zXZ\0',['xz','-dc']),(b'\x28\xb5\x2f\xfd',['zstd','-dcq']),(b'\x1f\x8b\x08',['gzip','-dc']),(b'\x02\x21\x4c\x18',['lz4','-dc'])):
    i=d.find(magic)
    while i>0:
        try: r=subprocess.run(cmd,input=d[i:],capture_output=True).stdout
        except FileNotFoundError: break
        if r[:4]==b'\x7fELF': open(sys.argv[2],'wb').write(r); print(cmd[0],i,len(r)); sys.exit(0)
        i=d.find(magic,i+1)
sys.exit(1)
