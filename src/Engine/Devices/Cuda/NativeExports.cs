using System.Runtime.InteropServices;

namespace Marrow.Engine.Devices.Cuda;

/// <summary>Looks names up in a loaded library and remembers the first one that it lacks.</summary>
internal sealed class NativeExports(nint library)
{
    /// <summary>A name that was asked for in vain.</summary>
    public string? Missing { get; private set; }

    public nint this[string name]
    {
        get
        {
            if (!NativeLibrary.TryGetExport(library, name, out nint address))
                Missing ??= name;
            return address;
        }
    }
}
