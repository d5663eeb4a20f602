namespace Marrow.Engine.Jit;

/// <summary>A run of statements that is entered at its start and left at its end.</summary>
internal sealed class FlowBlock(int start)
{
    public int Start { get; } = start;

    public List<Stmt> Body { get; } = [];

    /// <summary>Chooses between <see cref="Next"/> (true) and <see cref="Otherwise"/>; null where there is one way or none.</summary>
    public Expr? Condition { get; set; }

    public FlowBlock? Next { get; set; }

    public FlowBlock? Otherwise { get; set; }

    /// <summary>What is on the evaluation stack at the end.</summary>
    public List<Expr> Left { get; set; } = [];

    public IEnumerable<FlowBlock> Ways => Condition is not null && Otherwise is not null ? [Next!, Otherwise] : Next is not null ? [Next] : [];
}
